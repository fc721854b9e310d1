"""What must not be in a service's log: what people wrote, secrets, passwords and tokens."""

import pathlib

# {" in base64url: how a token begins (RFC 7515, section 3.1).
TOKEN_BEGIN = "eyJ"
# A shorter line is no text of its own: "Hi" is in many words.
SHORTEST_TEXT = 12
TEXT_FIELDS = ("text", "subject", "note", "body")


def texts_of(event):
    """The lines of all that people wrote in an event, as the log's JSON has it."""
    found = set()
    if isinstance(event, dict):
        for key, value in event.items():
            if key in TEXT_FIELDS and isinstance(value, str):
                found.update(line.strip() for line in value.splitlines() if len(line.strip()) >= SHORTEST_TEXT)
            else:
                found |= texts_of(value)
    elif isinstance(event, list):
        for value in event:
            found |= texts_of(value)
    return found


def leaks(log, private):
    """Where a log has any of these: "line 12: the password". `private` says what each text is."""
    found = []
    for number, line in enumerate(pathlib.Path(log).read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        for text, what in (*private.items(), (TOKEN_BEGIN, "a token")):
            if text in line:
                found.append(f"{pathlib.Path(log).name}, line {number}: {what}")
    return found
