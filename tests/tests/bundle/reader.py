"""Reads bundles, written only from the format's document.

    reader.py FILE...

Prints what is in each, in the form of the test `document`.
"""

import hashlib
import struct
import sys
import zlib


class Bytes:
    """A column: values one after another."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        taken = self.data[self.at : self.at + length]
        assert len(taken) == length, "the end of the data"
        self.at += length
        return taken

    def byte(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def text(self):
        return self.take(self.varint()).decode()

    def column(self):
        return Bytes(self.take(self.varint()))

    def difference(self, x):
        n = self.varint()
        return (x + (n >> 1 if n % 2 == 0 else -(n >> 1) - 1)) % 2**32

    def end(self):
        assert self.at == len(self.data), "bytes behind the end"


def provenance(data):
    yield f"relocations {data.take(32).hex()}"
    yield f"tool {data.text()}"
    for _ in range(data.varint()):
        yield f"pin {data.text()}"
    objects = data.varint()
    if objects:
        yield f"objects {data.take(32).hex()}"
    names = [data.text() for _ in range(objects)]
    for name in names:
        yield f"object {data.take(4).hex()} {name}"
    data.end()


def kernels(data, strings):
    publishers = [
        (strings[data.varint()], strings[data.varint()]) for _ in range(data.varint())
    ]
    first, publisher, of_class, *numbers = [data.column() for _ in range(15)]
    next_class, class_of = 0, {}
    for _ in range(data.varint()):
        arch, pattern, count = strings[data.varint()], data.text(), data.varint()
        parts = pattern.split("\0")
        fields = range(len(parts) - 1)
        for kernel in range(count):
            if kernel == 0:
                now = [first.varint() for _ in fields]
            else:
                grown = False
                for i in fields:
                    if grown:
                        now[i] = numbers[i].difference(now[i])
                    else:
                        growth = numbers[i].varint()
                        now[i] += growth
                        grown = growth > 0
            release = "".join(part + str(n) for part, n in zip(parts, now)) + parts[-1]
            distro, version = who = publishers[publisher.varint()]
            back = of_class.varint()
            number = class_of[who] if back == 0 else next_class + 1 - back
            class_of[who] = number
            next_class = max(next_class, number + 1)
            yield f"kernel {distro}/{version}/{arch}/{release} {number}"
    for column in (data, first, publisher, of_class, *numbers):
        column.end()


# What each kind has: size, extra, types; and for its items name, type, value, high.
KINDS = {
    1: "size extra",
    3: "extra element index",
    4: "size; name type value",
    5: "size; name type value",
    6: "size; name value",
    7: "",
    12: "extra type",
    13: "type; name type",
    14: "extra type",
    15: "size; type value high",
    16: "size",
    17: "extra type",
    19: "size; name value high",
} | {kind: "type" for kind in (2, 8, 9, 10, 11, 18)}
FUNC, TYPE_TAG = 12, 18


class Definition:
    def __init__(self, kind, name):
        self.kind, self.name = kind, name
        self.size = self.extra = 0
        self.types, self.items = [], []


class Types:
    def __init__(self, data):
        self.anonymous_count, symbol_count = data.varint(), data.varint()
        columns = [data.column() for _ in range(16)]
        data.end()
        text, kind, variants, self.head, self.field, self.name = columns[:6]
        self.item_type, self.value, self.high = columns[6:9]
        self.of_class = columns[9:]
        self.names = [b""] + text.data.split(b"\0")[:-1]
        self.name_before = 0
        self.anonymous = []
        for _ in range(self.anonymous_count):
            of_kind = kind.byte()
            name = self.read_name() if of_kind == TYPE_TAG else b""
            self.anonymous.append(self.definition(of_kind, name))
        # With the symbol of each.
        self.definitions = []
        for symbol in range(symbol_count):
            of_kind, name = kind.byte(), self.read_name()
            for _ in range(variants.varint() + 1):
                self.definitions.append((symbol, self.definition(of_kind, name)))
        for column in columns[1:9]:
            column.end()

    def read_name(self):
        self.name_before = self.name.difference(self.name_before + 1)
        return self.names[self.name_before]

    def type(self, column):
        """Nothing for void, ("anonymous", n) or ("symbol", n)."""
        n = column.varint()
        if n == 0:
            return None
        if n <= self.anonymous_count:
            return ("anonymous", n - 1)
        return ("symbol", n - 1 - self.anonymous_count)

    def definition(self, kind, name):
        out = Definition(kind, name)
        of_whole, _, of_items = KINDS[kind].partition(";")
        count, out.flag = divmod(self.head.varint(), 2)
        for field in of_whole.split():
            if field == "size":
                out.size = self.field.varint()
            elif field == "extra":
                out.extra = self.field.varint()
            else:
                out.types.append(self.type(self.field))
        value = 0
        for _ in range(count):
            item = {}
            for field in of_items.split():
                if field == "name":
                    item["name"] = self.read_name()
                elif field == "type":
                    item["type"] = self.type(self.item_type)
                elif field == "value":
                    value = item["value"] = self.value.difference(value)
                else:
                    item["high"] = self.high.varint()
            out.items.append(item)
        return out

    def classes(self, count):
        """The BTF of each class."""
        form, edits, kept, dropped, added, definition, kept_bytes = self.of_class
        lists = []
        for _ in range(count):
            b, what = divmod(form.varint(), 4)
            if what == 2:
                lists.append(None)
                yield kept_bytes.take(b)
                continue
            old = lists[len(lists) - b] if b else []
            new, at = [], 0
            for _ in range(edits.varint()):
                keep = kept.varint()
                new += old[at : at + keep]
                at += keep
                expected = old[at] if at < len(old) else 0
                for _ in range(added.varint()):
                    new.append(definition.difference(expected))
                    expected = new[-1] + 1
                at += dropped.varint()
            new += old[at:]
            lists.append(new)
            yield self.btf(new, ">" if what == 1 else "<")
        for column in self.of_class:
            column.end()

    def btf(self, numbers, order):
        types = [self.definitions[n] for n in numbers]
        ids = {("symbol", symbol): at + 1 for at, (symbol, _) in enumerate(types)}
        types = [definition for _, definition in types]

        def walk(definition):
            parts = definition.types + [item.get("type") for item in definition.items]
            for part in parts:
                if part and part[0] == "anonymous" and part not in ids:
                    inner = self.anonymous[part[1]]
                    walk(inner)
                    types.append(inner)
                    ids[part] = len(types)

        for definition in types[:]:
            walk(definition)
        ids[None] = 0
        strings, offsets, words = b"\0", {b"": 0}, []

        def name(text):
            nonlocal strings
            if text not in offsets:
                offsets[text] = len(strings)
                strings += text + b"\0"
            words.append(offsets[text])

        for d in types:
            name(d.name)
            vlen = d.extra if d.kind == FUNC else len(d.items)
            words.append(d.flag << 31 | d.kind << 24 | vlen)
            words.append(ids[d.types[0]] if len(d.types) == 1 else d.size)
            if len(d.types) == 2:
                words += [ids[part] for part in d.types]
            if "extra" in KINDS[d.kind] and d.kind != FUNC:
                words.append(d.extra)
            for item in d.items:
                if "name" in item:
                    name(item["name"])
                if "type" in item:
                    words.append(ids[item["type"]])
                words += [item[field] for field in ("value", "high") if field in item]
        length = 4 * len(words)
        header = struct.pack(
            order + "HBBIIIII", 0xEB9F, 1, 0, 24, 0, length, length, len(strings)
        )
        return header + struct.pack(f"{order}{len(words)}I", *words) + strings


def programs(data, objects, kernel_count):
    programs = [(objects[data.varint()], data.text()) for _ in range(data.varint())]
    reasons = [data.text() for _ in range(data.varint())]
    failures, number = [], 0
    for _ in range(data.varint()):
        number += data.varint()
        program, condition = divmod(number, 3)
        failures.append((*programs[program], condition, reasons[data.varint()]))
    column = data.column()
    of_kernels = [column.varint() for _ in range(kernel_count)]
    column.end()
    sets = []
    for _ in range(data.varint()):
        failure, this = -1, []
        for _ in range(data.varint()):
            failure += 1 + data.varint()
            this.append(failures[failure])
        sets.append(this)
    data.end()
    for kernel, number in enumerate(of_kernels):
        for name, program, condition, reason in sets[number]:
            yield f"fails {kernel} {name} {program} {condition} {reason}"


def bundle(file):
    assert file[:8] == b"BTFHUB\x1a\n", "the magic"
    version, flags, length = struct.unpack("<HHI", file[8:16])
    assert version == 2 and length == len(file), "version and length"
    assert flags in (0, 1, 2, 3), "an unknown flag"
    assert hashlib.sha256(file[:16] + file[48:]).digest() == file[16:48], "the digest"
    data = Bytes(file)
    data.at = 48
    kernel_count, class_count = data.varint(), data.varint()
    lengths = [(data.varint(), data.varint()) for _ in range(4 if flags & 2 else 3)]
    strings = [data.text() for _ in range(data.varint())]
    checked = file[:16] + file[48 : data.at]
    assert data.u32() == zlib.adler32(checked), "the header's checksum"
    sections = []
    for deflated, inflated in lengths:
        content = zlib.decompress(data.take(deflated))
        assert len(content) == inflated, "the length of a section"
        sections.append(Bytes(content))
    data.end()
    yield f"flags {flags} kernels {kernel_count} classes {class_count}"
    origin = list(provenance(sections[0]))
    yield from origin
    yield from kernels(sections[1], strings)
    for number, btf in enumerate(Types(sections[2]).classes(class_count)):
        yield f"class {number} {hashlib.sha256(btf).hexdigest()}"
    if flags & 2:
        yield "programs"
        objects = [line.split(" ", 2)[2] for line in origin if line.startswith("object ")]
        yield from programs(sections[3], objects, kernel_count)


for path in sys.argv[1:]:
    with open(path, "rb") as opened:
        print("\n".join(bundle(opened.read())))
