"""A document against a JSON schema, of which only these words are known: type, properties, required, items, enum, const,
minimum, maximum, additionalProperties. schema-check.py SCHEMA DOCUMENT...; any other word in the schema is an error, and so is a
property that none of several documents has."""
import json
import sys

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float), "integer": int}
IGNORED = {"$schema", "$id", "title", "description"}
KNOWN = IGNORED | {"type", "properties", "required", "items", "enum", "const", "minimum", "maximum", "additionalProperties"}


def is_type(value, name):
    return isinstance(value, TYPES[name]) and not (isinstance(value, bool) and name in ("number", "integer"))


seen = set()


def check(value, schema, at):
    assert set(schema) <= KNOWN, f"{at}: unknown words {set(schema) - KNOWN}"
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    assert not names or any(is_type(value, n) for n in names), f"{at}: {value!r} is no {names}"
    assert "enum" not in schema or value in schema["enum"], f"{at}: {value!r} is none of {schema['enum']}"
    assert "const" not in schema or value == schema["const"], f"{at}: {value!r}"
    if is_type(value, "number"):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), f"{at}: {value}"
    if isinstance(value, list):
        for i, item in enumerate(value):
            check(item, schema.get("items", {}), f"{at}[{i}]")
    if isinstance(value, dict):
        for name in schema.get("required", []):
            assert name in value, f"{at}: no {name}"
        for name, item in value.items():
            known = schema.get("properties", {})
            others = schema.get("additionalProperties", True)
            assert name in known or others, f"{at}: unexpected {name}"
            seen.add((id(schema), name))
            check(item, known.get(name, others if isinstance(others, dict) else {}), f"{at}.{name}")


def unseen(schema):
    """Properties that no document had."""
    for name, part in schema.get("properties", {}).items():
        if (id(schema), name) not in seen:
            yield name
        yield from unseen(part)
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from unseen(schema[word])


try:
    whole = json.load(open(sys.argv[1], encoding="utf-8"))
    for path in sys.argv[2:]:
        check(json.load(open(path, encoding="utf-8")), whole, "$")
    assert len(sys.argv) == 3 or not list(unseen(whole)), f"no document has {', '.join(unseen(whole))}"
except AssertionError as e:
    sys.exit(str(e))
