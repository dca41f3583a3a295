"""For authors: lessons stored with their outputs, exercises generated from solutions."""
