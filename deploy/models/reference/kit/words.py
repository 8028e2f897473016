"""Sentences that the small tokenizers learn from, and texts that golden values are made of."""

# Six languages, so that every tokenizer has whole words of each script, and pieces for the rest.
SENTENCES = """
a photo of a cat on the sofa
a photo of a dog that runs over the meadow
two cats and a small boat near the sea
the red bridge over the river at night
a very long road through the forest and over the hills
people walk in the street of the old town
ein Foto von einem Hund auf der Wiese
ein Hund läuft über die Wiese
die alte Brücke über den Fluss bei Nacht
ein kleines Boot auf dem Meer
красная машина на улице
кошка сидит на диване
маленькая лодка на море
старый мост через реку ночью
一只猫坐在沙发上
一只狗在草地上跑
海上的小船
夜晚河上的红桥
海の近くの赤い橋
猫がソファに座っている
犬が草原を走る
قارب صغير على البحر
قطة على الأريكة
جسر أحمر فوق النهر
""".split("\n")[1:-1]

# What every text tower is asked. Nothing here is changed by ftfy or by unescaping HTML, which open_clip
# does first and the hub's other users do not: `cleaned` in golden.json holds such texts apart.
TEXTS = [
    "a photo of a cat",
    "ein Hund läuft über die Wiese",
    "красная машина на улице",
    "一只猫坐在沙发上",
    "海の近くの赤い橋",
    "قارب صغير على البحر",
    "",
    "a very long road through the forest and over the hills " * 40,
    "🐱🚀 two cats near the sea 🚢",
    "Hello, world! (it's 50% off...) #sale_now",
    "THE RED BRIDGE AT NIGHT",
    "  two\tcats\n and   a dog ",
]

# Texts that open_clip's cleaning changes by more than white space and case.
UNCLEAN = [
    "cats &amp; dogs",
    "&lt;b&gt;a cat&lt;/b&gt;",
    "‘a cat’ and “a dog”",
    "一只猫，坐在沙发上。",
    "ＡＢＣ １２３",
    "ﬁsh and ﬂower",
    "sch&ouml;n",
    "schÃ¶n",
    "e\u0301tude",
    "a\u00a0cat\u3000and a dog",
    "snake_case and don't",
]
