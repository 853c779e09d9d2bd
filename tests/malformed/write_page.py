"""Runs every malformed case and writes docs/malformed-input.md."""

if __name__ == "__main__":
    # Here, because each case's process imports this file again.
    from corpus import CASES, outcomes
    from page import PAGE, page

    text = page(outcome.message for outcome in outcomes(CASES))
    PAGE.write_text(text, encoding="utf-8")
