use proptest::prelude::*;

use super::*;

fn guessed(pictures: &[(&[&str], f32)]) -> Option<Guess> {
    let owned: Vec<(Vec<String>, f32)> = pictures
        .iter()
        .map(|(captions, cosine)| {
            (
                captions.iter().map(|&caption| caption.into()).collect(),
                *cosine,
            )
        })
        .collect();
    let near: Vec<(&[String], f32)> = owned
        .iter()
        .map(|(captions, cosine)| (captions.as_slice(), *cosine))
        .collect();
    guess(&near)
}

fn votes(guess: &Guess) -> Vec<(&str, u32)> {
    let vote = |vote: &'_ Vote| vote.pictures;
    guess
        .votes
        .iter()
        .map(|one| (one.words.as_str(), vote(one)))
        .collect()
}

#[test]
fn guesses_are_as_recorded_in_several_languages() {
    let english: &[(&[&str], f32)] = &[
        (
            &["A red-crowned crane standing in shallow water", "crane.jpg"],
            0.86,
        ),
        (&["Red-crowned crane (Grus japonensis)", "IMG_2041"], 0.83),
        (&["Photo of two cranes in the snow"], 0.80),
        (&["Red-crowned Crane, Hokkaido"], 0.78),
        (&["A heron by the lake"], 0.62),
        (&["image", "DSC01234.JPG"], 0.60),
    ];
    let german: &[(&[&str], f32)] = &[
        (&["Der Eiffelturm in Paris bei Nacht"], 0.81),
        (&["Blick auf den Eiffelturm"], 0.79),
        (&["La tour Eiffel, Paris", "tour_eiffel.jpg"], 0.77),
        (&["La Torre Eiffel de París"], 0.75),
        (&["La tour Eiffel"], 0.74),
        (&["Эйфелева башня в Париже"], 0.70),
    ];
    let chinese: &[(&[&str], f32)] = &[
        (&["一只红色的小鸟", "图片"], 0.82),
        (&["红色的鸟"], 0.80),
        (&["树枝上的小鸟"], 0.79),
        (&["小鸟图片"], 0.75),
        (&["bird"], 0.7),
    ];
    let japanese: &[(&[&str], f32)] = &[
        (&["夜のエッフェル塔"], 0.84),
        (&["エッフェル塔の写真"], 0.82),
        (&["パリのエッフェル塔と空"], 0.80),
    ];
    let thai: &[(&[&str], f32)] = &[
        (&["หอไอเฟล"], 0.84),
        (&["หอไอเฟล ปารีส"], 0.82),
        (&["ภาพถ่ายหอไอเฟล"], 0.80),
    ];
    let arabic: &[(&[&str], f32)] = &[(&["صورة برج إيفل في باريس"], 0.84), (&["برج إيفل"], 0.82)];
    let russian: &[(&[&str], f32)] = &[
        (&["Рыжий кот на окне"], 0.9),
        (&["Рыжий кот"], 0.84),
        (&["Кот и собака"], 0.8),
    ];
    let all = [english, german, chinese, japanese, thai, arabic, russian].map(guessed);
    insta::assert_json_snapshot!(all);
}

#[test]
fn pictures_count_and_not_how_often_one_says_it() {
    let guess = guessed(&[
        (
            &["a castle", "castle by day", "castle by night", "the castle"],
            0.7,
        ),
        (&["an old mill"], 0.7),
        (&["the old mill"], 0.7),
    ]);
    assert_eq!(votes(&guess.expect("two agree")), [("old mill", 2)]);
}

#[test]
fn a_longer_phrase_stands_for_its_parts_where_the_same_pictures_say_it() {
    let guess = guessed(&[
        (&["tower bridge in London"], 0.7),
        (&["Tower Bridge"], 0.7),
        (&["a bridge"], 0.7),
    ]);
    let guess = guess.expect("they agree");
    assert_eq!(guess.words, "bridge");
    assert_eq!(votes(&guess), [("bridge", 3), ("tower bridge", 2)]);
}

#[test]
fn nothing_is_guessed_where_nobody_agrees_unless_one_is_nearly_the_same() {
    assert_eq!(guessed(&[]), None);
    assert_eq!(guessed(&[(&[], 1.0), (&["photo"], 0.95)]), None);
    assert_eq!(guessed(&[(&["a castle"], 0.89), (&["a mill"], 0.88)]), None);
    let guess = guessed(&[
        (&["photo", "A castle", "some stones"], 0.97),
        (&["a mill"], 0.88),
    ]);
    assert_eq!(votes(&guess.expect("nearly the same")), [("castle", 1)]);
    // What the near ones say outweighs what the far ones do.
    let near = guessed(&[
        (&["castle"], 0.85),
        (&["castle"], 0.84),
        (&["mill"], 0.55),
        (&["mill"], 0.5),
        (&["mill"], 0.5),
    ]);
    let near = near.expect("they agree");
    assert_eq!(votes(&near), [("castle", 2), ("mill", 3)]);
    assert!(
        near.votes[0].weight > 0.7 && near.votes[1].weight < 0.2,
        "{near:?}"
    );
}

proptest! {
    #[test]
    fn no_text_panics_it_and_what_it_reads_is_bounded(
        captions in proptest::collection::vec(
            (proptest::collection::vec(prop_oneof![any::<String>(), "[a-c鸟红的のェเ้์ -]{0,400}"], 0..12), any::<f32>()),
            0..40,
        )
    ) {
        let near: Vec<(&[String], f32)> =
            captions.iter().map(|(captions, cosine)| (captions.as_slice(), *cosine)).collect();
        for (captions, _) in &near {
            prop_assert!(said(captions).1.len() <= PHRASES);
        }
        if let Some(guess) = guess(&near) {
            prop_assert!(!guess.votes.is_empty() && guess.votes.len() <= VOTES);
            prop_assert_eq!(&guess.words, &guess.votes[0].words);
            for vote in &guess.votes {
                prop_assert!(!vote.words.trim().is_empty());
                prop_assert!((1..=PICTURES as u32).contains(&vote.pictures));
            }
        }
    }
}
