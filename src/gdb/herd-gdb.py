# SPDX-License-Identifier: MIT
"""
herd in gdb: printers that show what an arena, a herd, a chunk and a builder hold, and a command that
lists them.

    print *bump          a bump_t: its owner, whether it is out, what it holds
    print *herd          a herd_t: the figures of herd_stats()
    print text           a bump_str_t as its string, a BUMP_VEC as its elements
    herd HERD            a herd's members
    help herd            the other forms

Where the library is installed, gdb loads this file by itself together with the library. For a library
that is not installed, or is linked statically, use `source herd-gdb.py`. The file calls no function of
the program, so it works on core files as well. It needs the library's debug information, with or without
optimisation.

The memory that is read may be damaged. Lists are followed for at most LIMIT steps. Memory that can't be
read, or is not valid, is printed as such.
"""

import gdb
import gdb.printing

LIMIT = 100000

# As in src/arena/arena.h and src/pool/pool.h.
PARKED, ALIGN, INSTRUMENTED, DEFERS, RESERVED, LOCAL = 1, 2, 4, 8, 16, 32
ON_FREE, ON_BUSY, OFF_BUSY = 0, 1, 2
CHUNK_ALIGN = 16


class Damaged(Exception):
    """A description of memory that is damaged."""


class NotKnown(Exception):
    """A description of what can't be shown, and why."""


# --- types and variables of the library ---

# Members that distinguish a struct of the library from one of the program with the same name.
MEMBERS = {
    "arena": {"head", "end", "chunk", "herd", "flags", "older", "large", "held", "spare"},
    "chunk": {"next", "end", "ptr", "size", "serial"},
    "herd_pool": {"newest", "spare", "id", "next"},
    "member": {"arena", "snapshot", "older", "state", "local"},
    "spare": {"reserved", "peak", "bytes", "limit", "lists"},
}


def find(name, function, domain, fits):
    """
    The symbol of that name in the source file that defines `function`. Otherwise it is one in another
    file of the library, because a compiler may have merged several files.
    """
    home = gdb.lookup_global_symbol(function) or gdb.lookup_global_symbol("herd_new")
    if home is None:
        raise NotKnown("no debug information for libherd, or it is not loaded yet: "
                       "build it with -g, or install its debug symbols")
    nearest = gdb.lookup_symbol(name, home.symtab.static_block(), domain)[0]
    if nearest is not None and nearest.symtab.objfile == home.symtab.objfile and fits(nearest.type):
        return nearest
    for symbol in gdb.lookup_static_symbols(name, domain):
        if symbol.symtab.objfile == home.symtab.objfile and fits(symbol.type):
            return symbol
    raise NotKnown("the debug information for libherd lacks " + name)


def has_members(kind, tag):
    return MEMBERS[tag] <= {field.name for field in kind.fields()}


def struct(tag):
    """The library's type of that name."""
    return find(tag, "herd_new", gdb.SYMBOL_STRUCT_DOMAIN, lambda kind: has_members(kind, tag)).type


def variable(name, function, code):
    """A variable of the library with that type code. A thread-local one is the selected thread's."""
    return find(name, function, gdb.SYMBOL_VAR_DOMAIN,
                lambda kind: kind.strip_typedefs().unqualified().code == code).value()


def size_max():
    return 2 ** (8 * gdb.lookup_type("size_t").sizeof) - 1


def at(address, tag):
    """The struct at an address. Its memory is read when its members are read."""
    return gdb.Value(address).cast(struct(tag).pointer()).dereference()


def number(value):
    """The value of an integer or a pointer in memory, atomic or not."""
    try:
        return int(value)
    except gdb.MemoryError:
        raise Damaged("0x%x can't be read" % int(value.address)) from None


def walk(first, following, what):
    """The addresses of a list. `following` returns the address that follows one, or 0."""
    seen = set()
    address = first
    while address != 0:
        if address in seen:
            raise Damaged("the list of %s leads in a circle, at 0x%x" % (what, address))
        if len(seen) == LIMIT:
            raise Damaged("the list of %s has more than %d entries" % (what, LIMIT))
        if address % CHUNK_ALIGN != 0:
            raise Damaged("the list of %s leads to 0x%x, where none can be" % (what, address))
        seen.add(address)
        try:
            after = following(address)
        except Damaged as problem:
            raise Damaged("the list of %s leads to 0x%x: %s" % (what, address, problem)) from None
        yield address
        address = after


def plural(n, word):
    return "%d %s%s" % (n, word, "" if n == 1 else "s")


# --- chunks ---

class Chunk:
    """A chunk of an arena, or a spare one. `pos` is the arena's position, for its current chunk."""

    def __init__(self, address, pos=None, kind=""):
        value = at(address, "chunk")
        self.address = address
        self.start = address + struct("chunk").sizeof
        self.end = number(value["end"])
        self.pos = number(value["ptr"]) if pos is None else pos
        self.size = number(value["size"])
        self.serial = number(value["serial"])
        self.kind = kind

    used = property(lambda self: self.pos - self.start)
    capacity = property(lambda self: self.end - self.start)

    def problem(self):
        if self.end < self.start or self.capacity > self.size:
            return "its end is 0x%x" % self.end
        if not self.start <= self.pos <= self.end:
            return "its position is 0x%x" % self.pos
        return None

    def checked(self):
        problem = self.problem()
        if problem is not None:
            raise Damaged("chunk 0x%x: %s" % (self.address, problem))
        return self

    def __str__(self):
        if self.kind == "spare":
            return "0x%x - 0x%x: %d, spare" % (self.start, self.end, self.capacity)
        return "0x%x - 0x%x: %d used of %d%s" % (self.start, self.end, self.used, self.capacity,
                                                 ", " + self.kind if self.kind else "")


def chunk_list(first, what):
    return walk(first, lambda address: number(at(address, "chunk")["next"]), what)


# --- arenas ---

class Arena:
    """An arena, standalone or a herd's member, by its address."""

    def __init__(self, address):
        self.address = address
        self.value = at(address, "arena")
        self.pos = number(self.value["head"]["ptr"])
        self.end = number(self.value["end"])
        self.flags = number(self.value["flags"])
        self.herd = number(self.value["herd"])
        self.current = number(self.value["chunk"])
        self.held = number(self.value["held"])
        self.peak = number(self.value["peak"])
        head_end = number(self.value["head"]["end"])
        closed = self.flags & (PARKED | ALIGN | INSTRUMENTED | DEFERS | RESERVED)
        if self.pos > self.end or head_end != (self.pos if closed else self.end):
            raise Damaged("0x%x is no arena, or was overwritten" % address)

    def chunks(self):
        """Its chunks, the same as those of bump_each_chunk(), but list by list."""
        for address in chunk_list(self.current, "chunks"):
            if address == self.current:
                yield Chunk(address, self.pos, "current").checked()
            else:
                yield Chunk(address).checked()
        for address in chunk_list(number(self.value["large"]), "large requests' chunks"):
            yield Chunk(address, kind="of one large request").checked()

    def figures(self):
        """What bump_stats() would say: used, capacity, reserved, peak, chunks."""
        older = self.value["older"]
        used, capacity, chunks = (number(older[name]) for name in ("used", "capacity", "chunks"))
        if self.current != 0:
            chunk = Chunk(self.current, self.pos).checked()
            used, capacity, chunks = used + chunk.used, capacity + chunk.capacity, chunks + 1
        reserved, peak = self.held, self.peak
        if self.herd == 0:
            spare = at(number(self.value["spare"]), "spare")
            reserved, peak = number(spare["reserved"]), number(spare["peak"])
        return used, capacity, reserved, peak, chunks

    def state(self):
        """Its state in words."""
        if self.herd == 0:
            words = ["standalone"]
        elif number(at(self.address, "member")["state"]) == ON_FREE:
            words = ["put back"]
        else:
            words = ["out"]
        if self.flags & DEFERS:
            words.append("runs deferred functions")
        if self.flags & INSTRUMENTED:
            words.append("run under a sanitizer or valgrind")
        return ", ".join(words)


class Member(Arena):
    """A herd's member."""

    def __init__(self, address):
        self.member = at(address, "member")
        self.out = number(self.member["state"]) != ON_FREE
        self.used_when_put = number(self.member["snapshot"]["used"])
        self.local = number(self.member["local"])
        super().__init__(address)

    def checkouts(self):
        return number(self.value["epoch"]) - number(self.value["resets"])

    def describe(self, threads):
        used, capacity, reserved, _, chunks = self.figures()
        state = "idle" if not self.out else "out" + threads.of(self)
        return "%s, %s: %d used of %d, %d held in %s" % (
            state, plural(self.checkouts(), "checkout"), used, capacity, reserved,
            plural(chunks, "chunk"))


# --- herds ---

class Herd:
    """A herd, by its address."""

    def __init__(self, address):
        self.address = address
        self.value = at(address, "herd_pool")
        self.spare = self.value["spare"]
        self.id = number(self.value["id"])

    def members(self):
        """Addresses, newest first."""
        return walk(number(self.value["newest"]),
                    lambda address: number(at(address, "member")["older"]), "members")

    def figures(self):
        """The figures of herd_stats()."""
        members = out = used = 0
        for address in self.members():
            member = at(address, "member")
            members += 1
            out += number(member["state"]) != ON_FREE
            used += number(member["snapshot"]["used"])
        limit = number(self.spare["limit"])
        return [("members", members), ("out", out), ("reserved", number(self.spare["reserved"])),
                ("peak", number(self.spare["peak"])), ("spare", number(self.spare["bytes"])),
                ("used", used), ("limit", limit if limit != size_max() else 0)]

    def spare_chunks(self):
        first, last = self.spare["lists"].type.range()
        lists = [self.spare["lists"][i] for i in range(first, last + 1)]
        for head in lists:
            for address in chunk_list(number(head), "spare chunks"):
                yield Chunk(address, kind="spare")

    def __str__(self):
        try:
            figures = dict(self.figures())
        except Damaged as problem:
            return "herd 0x%x: damaged: %s" % (self.address, problem)
        figures["members"] = plural(figures["members"], "member")
        figures["limit"] = figures["limit"] or "none"
        return "herd 0x%x: " % self.address + (
            "%(members)s, %(out)d out; %(reserved)d bytes held, at most %(peak)d so far, "
            "%(spare)d spare; limit %(limit)s" % figures)


def all_herds():
    lists = variable("lists", "registry_add", gdb.TYPE_CODE_ARRAY)
    first, last = lists.type.range()
    for i in range(first, last + 1):
        for address in walk(number(lists[i]),
                            lambda herd: number(at(herd, "herd_pool")["next"]), "herds"):
            yield Herd(address)


class Threads:
    """Which thread has a member, as far as it is known from the thread-local variables."""

    def __init__(self, herd):
        self.threads = {}
        self.last = {}
        before = gdb.selected_thread()
        if before is None:
            return
        frame = gdb.selected_frame()
        for thread in gdb.selected_inferior().threads():
            try:
                thread.switch()
                self._read(thread.num, herd)
            except (gdb.error, Damaged, NotKnown):
                continue # its thread-local storage can't be read, so nothing is known of this thread
        before.switch()
        frame.select()

    def _read(self, thread, herd):
        thread_id = number(variable("my_thread_id", "herd_get", gdb.TYPE_CODE_INT))
        if thread_id != 0:
            self.threads[thread_id] = thread
        recent = variable("recent_herds", "herd_get", gdb.TYPE_CODE_ARRAY)
        entry = recent[herd.id % (recent.type.range()[1] + 1)]
        if number(entry["herd"]) == herd.id:
            self.last.setdefault(number(entry["member"]), []).append(thread)

    def of(self, member):
        if member.flags & LOCAL:
            thread = self.threads.get(member.local)
            return " as thread %d's own" % thread if thread is not None else " as a thread's own"
        threads = self.last.get(member.address)
        return ", last used by thread " + " or ".join(map(str, threads)) if threads else ""


# --- printers ---

def guarded(printer):
    """A printer's text, or the reason why it has none."""
    def text(self):
        try:
            return printer(self)
        except Damaged as problem:
            return "damaged: %s" % problem
        except (NotKnown, gdb.error) as problem:
            return "<%s>" % problem
    return text


class Figures:
    """A printer that shows a text, and names with numbers."""

    def __init__(self, value):
        self.value = value
        self.figures = []

    @guarded
    def to_string(self):
        return self.read(int(self.value.address))

    def children(self):
        return iter(self.figures)


class PlainBump(Figures):
    """A printer of an arena, where only its public head is known."""

    def children(self):
        return iter([(name, self.value[name]) for name in ("ptr", "end")])

    def read(self, address):
        return "bump_t, <no debug information for libherd>"


class BumpPrinter(Figures):
    def read(self, address):
        arena = Arena(address)
        used, capacity, reserved, peak, chunks = arena.figures()
        text = "bump_t, " + arena.state()
        if arena.herd != 0:
            text += ", of herd 0x%x" % arena.herd
        self.figures = [("used", used), ("capacity", capacity), ("reserved", reserved),
                        ("peak", peak), ("chunks", chunks)]
        return text


class HerdPrinter(Figures):
    def read(self, address):
        self.figures = Herd(address).figures()
        return "herd_t"


class ChunkPrinter(Figures):
    def read(self, address):
        chunk = Chunk(address)
        self.figures = [("used", chunk.used), ("capacity", chunk.capacity), ("size", chunk.size),
                        ("serial", chunk.serial), ("next", self.value["next"])]
        return "chunk 0x%x - 0x%x" % (chunk.start, chunk.checked().end)


class MarkPrinter(Figures):
    def read(self, address):
        return "mark %d of arena %d, at 0x%x" % tuple(
            number(self.value[name]) for name in ("number_", "arena_", "ptr_"))


class StrPrinter:
    """A bump_str_t as its string."""

    def __init__(self, value):
        self.value = value

    @guarded
    def to_string(self):
        length, room = number(self.value["len"]), number(self.value["cap"])
        if length > room:
            raise Damaged("len is %d, cap is %d" % (length, room))
        if length == 0:
            return ""
        data = self.value["data"]
        data.dereference().fetch_lazy()
        return data.lazy_string(length=length)

    def display_hint(self):
        return "string"


class VecPrinter:
    """A BUMP_VEC as its elements."""

    def __init__(self, value):
        self.value = value
        self.len = self.cap = 0

    @guarded
    def to_string(self):
        length, room = number(self.value["len"]), number(self.value["cap"])
        if length > room:
            raise Damaged("len is %d, cap is %d" % (length, room))
        self.len = length
        return "BUMP_VEC of length %d, capacity %d" % (length, room)

    def children(self):
        for i in range(self.len):
            yield str(i), self.value["data"][i]

    def display_hint(self):
        return "array"


def is_vec(kind):
    return (kind.code == gdb.TYPE_CODE_STRUCT and
            [field.name for field in kind.fields()] == ["data", "len", "cap", "bump"] and
            kind["bump"].type.strip_typedefs().code == gdb.TYPE_CODE_PTR and
            kind["bump"].type.strip_typedefs().target().strip_typedefs().tag == "bump")


class HerdPrinters(gdb.printing.PrettyPrinter):
    """Chooses a printer by the struct's name, and checks names that a program may use as well."""

    printers = {"bump": BumpPrinter, "herd_pool": HerdPrinter, "chunk": ChunkPrinter,
                "bump_mark_s": MarkPrinter, "bump_str_s": StrPrinter}

    def __init__(self):
        super().__init__("herd")

    def __call__(self, value):
        kind = value.type.strip_typedefs().unqualified()
        if kind.code != gdb.TYPE_CODE_STRUCT:
            return None
        printer = self.printers.get(kind.tag)
        if printer is None:
            return VecPrinter(value) if is_vec(kind) else None
        if printer is not StrPrinter and value.address is None:
            return None # a copy, for example in a register: the struct around it can't be read
        if printer is BumpPrinter and gdb.lookup_global_symbol("herd_new") is None:
            return PlainBump(value)
        if printer is ChunkPrinter and not has_members(kind, "chunk"):
            return None
        return printer(value)


# --- the command ---

def report(problem):
    print("  damaged: %s" % problem)


def list_members(herd):
    print(herd)
    threads = Threads(herd)
    for i, address in enumerate(herd.members(), 1):
        try:
            text = Member(address).describe(threads)
        except Damaged as problem:
            text = "damaged: %s" % problem
        print("  member %d 0x%x, %s" % (i, address, text))


def list_chunks(arena):
    for chunk in arena.chunks():
        print("    %s" % chunk)


def list_herds_chunks(herd):
    print(herd)
    for i, address in enumerate(herd.members(), 1):
        print("  member %d 0x%x" % (i, address))
        try:
            list_chunks(Member(address))
        except Damaged as problem:
            report(problem)
    spare = list(herd.spare_chunks())
    print("  spare: %s" % plural(len(spare), "chunk"))
    for chunk in spare:
        print("    %s" % chunk)


def pointed_at(text):
    """The address that an expression names, and the tag of the struct there, or None."""
    value = gdb.parse_and_eval(text)
    kind = value.type.strip_typedefs()
    if kind.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        value = value.referenced_value()
        kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_STRUCT and value.address is not None:
        return int(value.address), kind.tag
    if kind.code == gdb.TYPE_CODE_PTR:
        return int(value), kind.target().strip_typedefs().tag
    if kind.code == gdb.TYPE_CODE_INT:
        return int(value), None
    raise NotKnown("%s is a %s, neither a herd nor an arena nor an address" % (text, value.type))


def is_a_herd(address, tag):
    return tag == "herd_pool" or (
        tag is None and any(herd.address == address for herd in all_herds()))


def position_in(chunk, address):
    if address < chunk.start:
        return "in the header"
    if chunk.kind == "spare":
        return "not in use"
    return "handed out" if address < chunk.pos else "not handed out"


def owned_chunks(herd):
    """All chunks of a herd that can be reached, each with its owner. Reports damage."""
    try:
        for i, address in enumerate(herd.members(), 1):
            try:
                for chunk in Member(address).chunks():
                    yield "member %d 0x%x" % (i, address), chunk
            except Damaged as problem:
                report(problem)
        for chunk in herd.spare_chunks():
            yield "spare", chunk
    except Damaged as problem:
        report(problem)


def find_owner(address):
    for herd in all_herds():
        for owner, chunk in owned_chunks(herd):
            if chunk.address <= address < chunk.address + chunk.size:
                position = position_in(chunk, address)
                print("0x%x: %s, %s of herd 0x%x" % (address, position, owner, herd.address))
                print("    %s" % chunk)
                return
    print("0x%x: in no herd's memory (standalone arenas are not listed)" % address)


class HerdCommand(gdb.Command):
    """Show herds and arenas of libherd. The command calls no function of the program.

herd, herd all             list all herds of the process, with one line per herd
herd HERD                  show the herd, and list its members, newest first: whether a member is out,
                           and in which thread; how often it was checked out; bytes used and held
herd chunks HERD-OR-ARENA  list the chunks: addresses, bytes used and usable
herd owner ADDRESS         find the herd and the chunk that hold the address, and show whether it is
                           handed out

HERD, ARENA and ADDRESS are expressions: a pointer, the struct itself, or an address."""

    def __init__(self):
        super().__init__("herd", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        try:
            self.run(argument.strip())
        except NotKnown as problem:
            raise gdb.GdbError("herd: %s" % problem) from None
        except Damaged as problem:
            report(problem)

    @staticmethod
    def run(argument):
        word, _, rest = argument.partition(" ")
        if argument in ("", "all"):
            none = True
            for herd in all_herds():
                print(herd)
                none = False
            if none:
                print("no herds")
        elif word == "owner" and rest:
            find_owner(pointed_at(rest)[0])
        elif word == "chunks" and rest:
            address, tag = pointed_at(rest)
            if is_a_herd(address, tag):
                list_herds_chunks(Herd(address))
            else:
                list_chunks(Arena(address))
        else:
            address, tag = pointed_at(argument)
            if tag == "bump":
                raise NotKnown("%s is an arena, not a herd: herd chunks %s" % (argument, argument))
            if tag not in ("herd_pool", None):
                raise NotKnown("%s is no herd: it is a struct %s" % (argument, tag))
            list_members(Herd(address))


gdb.printing.register_pretty_printer(gdb.current_objfile(), HerdPrinters(), replace=True)
HerdCommand()
