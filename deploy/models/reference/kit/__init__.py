"""What make_tiny.py and make_article.py share: words, pictures, tokenizers, exports, golden values."""
