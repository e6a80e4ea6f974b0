/* SPDX-License-Identifier: MIT */
/* Objects, arrays and text in an arena: construction, destruction, and what exceptions leave. */

#include "support.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <numeric>

namespace
{

const std::vector<int> none;

struct point {
	int x, y;
};

struct named_point {
	std::string name;
	point at;
};

void constructors_get_their_arguments()
{
	herd::arena arena;
	const auto *const owner = arena.make<std::unique_ptr<int>>(std::make_unique<int>(7));
	std::string moved = "long enough to be on the heap, that is";
	const auto *const text = arena.make<std::string>(std::move(moved));
	const std::vector<int> *const many = arena.make<std::vector<int>>(3, 4);

	CHECK(**owner == 7);
	CHECK(*text == "long enough to be on the heap, that is");
	CHECK((*many == std::vector<int>{4, 4, 4}));
	CHECK(*arena.make<int>() == 0);
	CHECK(*arena.make<int>(5) == 5);
}

void aggregates_are_made_with_braces()
{
	herd::arena arena;
	const point *const p = arena.make<point>(1, 2);
	const named_point *const n = arena.make<named_point>("here", point{3, 4});
	const auto *const a = arena.make<std::array<int, 3>>(std::array<int, 3>{5, 6, 7});
	const point *const zero = arena.make<point>();

	CHECK(p->x == 1 && p->y == 2);
	CHECK(n->name == "here" && n->at.y == 4);
	CHECK((*a)[2] == 7);
	CHECK(zero->x == 0 && zero->y == 0);
}

void make_three(bump_t *bump)
{
	noted::forget();
	for (int i = 0; i < 3; i++)
		CHECK(herd::make<noted>(bump, i)->number() == i);
}

void destructors_run_once_and_newest_first()
{
	const std::vector<int> expected{2, 1, 0};
	herd::pool pool;

	{
		herd::arena arena;
		make_three(arena.get());
		CHECK(noted::destroyed.empty());
		arena.reset();
		CHECK(noted::destroyed == expected);
		arena.reset();
		CHECK(noted::destroyed == expected);
		make_three(arena.get());
	}
	CHECK(noted::destroyed == expected);
	{
		herd::arena arena;
		{
			const herd::scope scope(arena);
			make_three(arena.get());
		}
		CHECK(noted::destroyed == expected);
	}
	CHECK(noted::destroyed == expected);
	herd::member member(pool);
	make_three(member.get());
	member.discard();
	CHECK(noted::destroyed == expected);
	make_three(herd::member(pool).get());
	CHECK(noted::destroyed.empty());
	pool.reset();
	CHECK(noted::destroyed == expected);
	make_three(herd::member(pool).get());
	pool.destroy();
	CHECK(noted::destroyed == expected);
}

void trivial_types_take_their_size_and_no_more()
{
	herd::arena arena;
	herd::arena other;

	for (int i = 0; i < 10; i++) {
		arena.make<point>(1, i);
		CHECK(bump_alloc_aligned(other.get(), sizeof(point), 8) != nullptr);
		CHECK(arena.array<std::uint64_t>(3) != nullptr);
		CHECK(bump_alloc_aligned(other.get(), 24, 8) != nullptr);
		CHECK(used(arena.get()) == used(other.get()));
	}
}

void others_take_one_deferred_function_more()
{
	herd::arena arena;
	herd::arena other;

	noted::forget();
	for (int i = 0; i < 10; i++) {
		arena.make<noted>(i);
		CHECK(bump_alloc_aligned(other.get(), sizeof(noted), alignof(noted)) != nullptr);
		CHECK(bump_defer(
			      other.get(), [](void *) {}, nullptr) == 0);
		CHECK(used(arena.get()) == used(other.get()));
	}
}

template <std::size_t Align, bool Trivial> struct alignas(Align) refusing {
	explicit refusing(bool refuse)
	{
		if (refuse)
			throw std::runtime_error("refused");
	}
};

template <std::size_t Align> struct alignas(Align) refusing<Align, false> {
	explicit refusing(bool refuse)
	{
		if (refuse)
			throw std::runtime_error("refused");
	}
	~refusing()
	{
		noted::destroyed.push_back(-1);
	}
};

template <typename T> void check_refused(herd::arena &arena)
{
	const std::size_t before = used(arena.get());

	noted::forget();
	CHECK_THROWS(std::runtime_error, arena.make<T>(true));
	CHECK(used(arena.get()) == before);
	CHECK(noted::destroyed.empty());
	CHECK(is_aligned(arena.make<T>(false), alignof(T)));
	CHECK(used(arena.get()) > before);
}

struct large : refusing<8, false> {
	using refusing::refusing;
	char bytes[3 << 20];
};

void a_constructor_that_throws_gives_the_memory_back()
{
	bump_config_t config{};

	for (const std::size_t min_align : {std::size_t{0}, std::size_t{8}}) {
		config.min_align = min_align;
		herd::arena arena(config);

		for (int i = 0; i < 20; i++) {
			check_refused<refusing<1, true>>(arena);
			check_refused<refusing<8, true>>(arena);
			check_refused<refusing<64, true>>(arena);
			check_refused<refusing<4096, true>>(arena);
			check_refused<refusing<1, false>>(arena);
			check_refused<refusing<16, false>>(arena);
			check_refused<refusing<64, false>>(arena);
			check_refused<refusing<4096, false>>(arena);
			check_refused<large>(arena);
			CHECK(arena.str(std::string(static_cast<std::size_t>(i), '.')) != nullptr);
		}
	}
}

void a_destructor_is_registered_whatever_the_least_alignment()
{
	for (std::size_t align = 1; align <= 4096; align *= 2) {
		bump_config_t config{};
		config.min_align = align;
		herd::arena arena(config);

		make_three(arena.get());
		CHECK(is_aligned(arena.make<noted>(3), align));
		arena.reset();
		CHECK((noted::destroyed == std::vector<int>{3, 2, 1, 0}));
	}
}

/* Leaves something in the arena that others know, and throws. */
struct leaving {
	leaving(herd::arena &arena, const char **text, bool large_one)
	{
		arena.make<noted>(1);
		*text = large_one ? arena.str(std::string(5 << 20, 'x')) : arena.str("left");
		throw std::runtime_error("refused");
	}
	~leaving()
	{
		noted::destroyed.push_back(-1);
	}
};

/* The same by nothing but an allocation that has a chunk of its own. */
struct leaving_a_chunk {
	leaving_a_chunk(herd::arena &arena, const char **text)
	{
		*text = arena.str(std::string(5 << 20, 'x'));
		throw std::runtime_error("refused");
	}
	~leaving_a_chunk()
	{
		noted::destroyed.push_back(-1);
	}
};

void what_a_constructor_left_stays_although_it_throws()
{
	const std::string expected(5 << 20, 'x');
	herd::arena arena;
	const char *text = nullptr;

	noted::forget();
	CHECK_THROWS(std::runtime_error, arena.make<leaving>(arena, &text, false));
	CHECK(bump_owns(arena.get(), text) && std::strcmp(text, "left") == 0);
	CHECK_THROWS(std::runtime_error, arena.make<leaving>(arena, &text, true));
	CHECK(bump_owns(arena.get(), text) && text == expected);
	CHECK_THROWS(std::runtime_error, arena.make<leaving_a_chunk>(arena, &text));
	CHECK(bump_owns(arena.get(), text) && text == expected);
	CHECK(noted::destroyed.empty());
	arena.reset();
	CHECK((noted::destroyed == std::vector<int>{1, 1}));
}

/* Made by its constructor: it may use that in its destructor. */
struct whole {
	explicit whole(herd::arena &arena) : part(arena.make<noted>(5))
	{
	}
	~whole()
	{
		noted::destroyed.push_back(part->number() * 10);
	}
	const noted *part;
};

void an_object_is_destroyed_before_what_its_constructor_made()
{
	herd::arena arena;

	noted::forget();
	arena.make<whole>(arena);
	arena.make<noted>(1);
	arena.reset();
	CHECK((noted::destroyed == std::vector<int>{1, 50, 5}));
}

void arrays_have_values()
{
	herd::arena arena;

	for (int i = 0; i < 3; i++) {
		int *const numbers = arena.array<int>(1000);
		const std::string *const texts = arena.array<std::string>(100);
		const char *const *const pointers = arena.array<const char *>(10);

		CHECK(std::accumulate(numbers, numbers + 1000, 0) == 0);
		CHECK(texts[0].empty() && texts[99].empty());
		CHECK(pointers[0] == nullptr && pointers[9] == nullptr);
		std::fill_n(numbers, 1000, -1);
		arena.reset(); /* so that the next turn meets memory that was used */
	}
	const named_point *const both = arena.array<named_point>(10);
	CHECK(both[0].at.x == 0 && both[9].at.y == 0);
	point *const written = arena.array_for_overwrite<point>(10);
	written[9] = {1, 2};
	CHECK(arena.array_for_overwrite<std::string>(10)[9].empty());
}

void arrays_of_none_are_distinct()
{
	herd::arena arena;
	const int *const a = arena.array<int>(0);
	const int *const b = arena.array<int>(0);
	const std::string *const c = arena.array<std::string>(0);

	CHECK(*arena.str(std::string_view{}) == '\0');
	CHECK(a != nullptr && b != nullptr && c != nullptr);
	CHECK(a != b && static_cast<const void *>(b) != static_cast<const void *>(c));
}

void arrays_are_destroyed_from_their_end()
{
	herd::arena arena;

	noted::forget();
	CHECK(arena.array<noted>(4)[3].number() == 3);
	CHECK(arena.array_for_overwrite<noted>(2)[1].number() == 5);
	arena.reset();
	CHECK((noted::destroyed == std::vector<int>{5, 4, 3, 2, 1, 0}));
}

void arrays_register_one_destructor()
{
	herd::arena few;
	herd::arena many;
	const std::size_t size = 100000 * sizeof(std::string);

	CHECK(few.array<std::string>(1) != nullptr);
	CHECK(many.array<std::string>(100000) != nullptr);
	CHECK(used(many.get()) - size <= used(few.get()));
}

void an_array_that_can_not_be_constructed_is_as_if_never_tried()
{
	for (int k = 0; k < 8; k++) {
		herd::arena arena;
		std::vector<int> expected;
		const std::size_t before = used(arena.get());

		noted::forget();
		noted::refuses = k;
		CHECK_THROWS(std::runtime_error, (void)arena.array<noted>(8));
		for (int i = k - 1; i >= 0; i--)
			expected.push_back(i);
		CHECK(noted::destroyed == expected);
		CHECK(used(arena.get()) == before);
		arena.reset();
		CHECK(noted::destroyed == expected);
	}
}

struct refusing_default {
	refusing_default()
	{
		if (--countdown == 0)
			throw std::runtime_error("refused");
	}
	static inline int countdown = 0;
	int value = 1;
};

void an_array_without_destructors_gives_its_memory_back()
{
	herd::arena arena;
	const std::size_t before = used(arena.get());

	refusing_default::countdown = 5;
	CHECK_THROWS(std::runtime_error, (void)arena.array<refusing_default>(8));
	CHECK(used(arena.get()) == before);
	CHECK(arena.array<refusing_default>(8)[7].value == 1);
}

void a_size_that_overflows_is_reported()
{
	static std::size_t told;
	volatile std::size_t all = SIZE_MAX; /* or else compilers warn of what they know to fail */
	bump_config_t config{};
	config.on_oom = [](void *, std::size_t size) { told = size; };
	herd::arena arena(config);
	const std::size_t before = used(arena.get());

	CHECK_THROWS(std::bad_array_new_length, (void)arena.array<int>(all / 2));
	CHECK(told == SIZE_MAX);
	CHECK_THROWS(std::bad_array_new_length, (void)arena.array<std::string>(all / 8));
	CHECK_THROWS(std::bad_alloc, (void)arena.array<char>(all));
	CHECK_THROWS(std::bad_alloc, (void)arena.array_for_overwrite<char>(all / 2));
	CHECK(used(arena.get()) == before);
}

template <std::size_t Align> struct alignas(Align) aligned {
	char byte = 'a';
};

template <std::size_t Align>
struct alignas(Align > alignof(noted) ? Align : alignof(noted)) aligned_noted : noted {
};

template <std::size_t Align> void check_alignment(herd::arena &arena)
{
	(void)arena.str("odd");
	CHECK(is_aligned(arena.make<aligned<Align>>(), Align));
	CHECK(is_aligned(arena.make<aligned_noted<Align>>(), Align));
	CHECK(is_aligned(arena.array<aligned<Align>>(3), Align));
	CHECK(is_aligned(arena.array<aligned_noted<Align>>(3), Align));
}

void any_alignment_is_kept()
{
	noted::forget();
	{
		herd::arena arena;

		check_alignment<1>(arena);
		check_alignment<16>(arena);
		check_alignment<32>(arena);
		check_alignment<64>(arena);
		check_alignment<4096>(arena);
		check_alignment<8192>(arena);
		CHECK(noted::alive == 6 * 4);
	}
	CHECK(noted::alive == 0);
}

void text_keeps_its_nuls()
{
	using namespace std::string_view_literals;
	herd::arena arena;
	const char *const text = arena.str("a\0b"sv);

	CHECK(std::memcmp(text, "a\0b", 4) == 0);
	CHECK(*arena.str("") == '\0');
	CHECK(*arena.str({}) == '\0');
	CHECK(arena.str("x") != arena.str("x"));
}

void a_failure_leaves_the_arena_as_it_was()
{
	char memory[BUMP_OVERHEAD + 1024];
	bump_config_t config{};
	config.source = &herd_source_none;
	herd::arena arena(memory, sizeof(memory), config);
	const std::size_t before = used(arena.get());

	noted::forget();
	CHECK_THROWS(std::bad_alloc, (void)arena.make<large>(false));
	CHECK(errno == ENOMEM);
	CHECK_THROWS(std::bad_alloc, (void)arena.array<std::string>(1000));
	CHECK_THROWS(std::bad_alloc, (void)arena.array<int>(1000));
	CHECK_THROWS(std::bad_alloc, (void)arena.str(std::string(5000, 'x')));
	CHECK(used(arena.get()) == before);
	CHECK(*arena.make<int>(3) == 3);
}

/* In arenas of all sizes, so that each allocation is the one that fails. */
void nothing_is_constructed_whose_destructor_can_not_be_registered()
{
	alignas(16) static char memory[BUMP_OVERHEAD + 512];
	bump_config_t config{};
	int made = 0;

	config.source = &herd_source_none;
	for (std::size_t size = BUMP_OVERHEAD; size < sizeof(memory); size += 8) {
		herd::arena arena(memory, size, config);

		noted::forget();
		noted::next = 1;
		try {
			arena.make<noted>(6);
			made++;
		} catch (const std::bad_alloc &) {
			CHECK(noted::next == 1 && made == 0);
		}
	}
	CHECK(made > 0);
}

/* Allocates in its constructor, so that its destructor's registration may find no room. */
struct hungry {
	explicit hungry(herd::arena &arena)
	    : text(arena.str("fifty bytes and some more bytes, so that "
			     "registering fails here and there"))
	{
	}
	noted first{1};
	const char *text;
	noted last{2};
};

/* In arenas of all sizes, so that each allocation is the one that fails. */
void an_object_is_destroyed_where_its_destructor_can_not_be_registered()
{
	alignas(16) static char memory[BUMP_OVERHEAD + 2048];
	bump_config_t config{};
	bool failed = false;
	bool made = false;

	config.source = &herd_source_none;
	for (std::size_t size = BUMP_OVERHEAD; size < sizeof(memory); size += 8) {
		noted::forget();
		{
			herd::arena arena(memory, size, config);
			const std::size_t before = used(arena.get());

			try {
				arena.make<hungry>(arena);
				made = true;
				CHECK(noted::alive == 2);
			} catch (const std::bad_alloc &) {
				failed = true;
				CHECK(!made);
				CHECK(noted::alive == 0);
				CHECK(used(arena.get()) == before || !noted::destroyed.empty());
			}
		}
		CHECK(noted::alive == 0);
	}
	CHECK(failed && made);
}

} // namespace

int main()
{
	return tap::run({
		{"constructors get their arguments", constructors_get_their_arguments},
		{"aggregates are made with braces", aggregates_are_made_with_braces},
		{"destructors run once, newest first", destructors_run_once_and_newest_first},
		{"trivial types take their size and no more",
		 trivial_types_take_their_size_and_no_more},
		{"others take one deferred function more", others_take_one_deferred_function_more},
		{"a constructor that throws gives the memory back",
		 a_constructor_that_throws_gives_the_memory_back},
		{"a destructor is registered whatever the least alignment",
		 a_destructor_is_registered_whatever_the_least_alignment},
		{"what a constructor left stays, although it throws",
		 what_a_constructor_left_stays_although_it_throws},
		{"an object is destroyed before what its constructor made",
		 an_object_is_destroyed_before_what_its_constructor_made},
		{"arrays have values", arrays_have_values},
		{"arrays of none are distinct", arrays_of_none_are_distinct},
		{"arrays are destroyed from their end", arrays_are_destroyed_from_their_end},
		{"arrays register one destructor", arrays_register_one_destructor},
		{"an array that can't be constructed is as if never tried",
		 an_array_that_can_not_be_constructed_is_as_if_never_tried},
		{"an array without destructors gives its memory back",
		 an_array_without_destructors_gives_its_memory_back},
		{"a size that overflows is told", a_size_that_overflows_is_reported},
		{"any alignment is kept", any_alignment_is_kept},
		{"text keeps its NULs", text_keeps_its_nuls},
		{"a failure leaves the arena as it was", a_failure_leaves_the_arena_as_it_was},
		{"nothing is constructed whose destructor can't be registered",
		 nothing_is_constructed_whose_destructor_can_not_be_registered},
		{"an object is destroyed where its destructor can't be registered",
		 an_object_is_destroyed_where_its_destructor_can_not_be_registered},
	});
}
