# Verifies an audit log by docs/format.md alone: recomputes the Merkle root from the entries, and checks each signature with openssl.
# Usage: audit-judge.py REPOSITORY PUBLIC_KEY_PEM; prints the size and the root, and exits with 1 when something does not fit.
import base64, hashlib, json, pathlib, subprocess, sys, tempfile

folder, pem = pathlib.Path(sys.argv[1]) / "audit", sys.argv[2]
sha = lambda data: hashlib.sha256(data).digest()


def root(leaves):
    if len(leaves) == 1:
        return sha(b"\0" + leaves[0])
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha(b"\1" + root(leaves[:half]) + root(leaves[half:]))


def verify(note):
    text, lines = note[: note.rindex(b"\n\n") + 1], note[note.rindex(b"\n\n") + 2 :]
    dash, name, signature = lines.decode().strip().split(" ")
    raw = base64.b64decode(signature)
    key = subprocess.run(["openssl", "pkey", "-pubin", "-in", pem, "-outform", "DER"], capture_output=True, check=True).stdout[-32:]
    assert dash == "\u2014" and raw[:4] == sha(name.encode() + b"\n\x01" + key)[:4], "the key"
    with tempfile.TemporaryDirectory() as at:
        (pathlib.Path(at) / "text").write_bytes(text)
        (pathlib.Path(at) / "sig").write_bytes(raw[4:])
        order = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", pem, "-rawin", "-in", f"{at}/text", "-sigfile", f"{at}/sig"]
        subprocess.run(order, check=True, capture_output=True)
    return name, text.decode().split("\n")


def path(index, width):
    digits = str(index).zfill(-(-len(str(index)) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return folder / "tile" / "entries" / (name if width == 256 else f"{name}.p/{width}")


name, (origin, size, expected, _) = verify((folder / "checkpoint").read_bytes())
assert name == origin, "the origin"
entries = []
for bundle in range(-(-int(size) // 256)):
    data = path(bundle, min(256, int(size) - bundle * 256)).read_bytes()
    while data:
        length = int.from_bytes(data[:2], "big")
        entries.append(data[2 : 2 + length])
        data = data[2 + length :]
assert len(entries) == int(size), "the number of entries"
for place, entry in enumerate(entries):
    _, (first, index, text, _) = verify(entry)
    assert first == f"{origin} entry" and int(index) == place, f"entry {place}"
    json.loads(text)
actual = base64.b64encode(root(entries)).decode()
assert actual == expected, f"the root is {actual}"
print(size, actual)
