/* SPDX-License-Identifier: MIT */
/* Examples of herd/herd.hpp. */

#include <herd/herd.hpp>

#include <cstring>
#include <string>
#include <vector>

#include "must.h"

using lines = std::pmr::vector<std::pmr::string>;

// [herd::pool]
static void in_phases(int phases, void (*phase)(herd::pool &pool))
{
	herd::pool pool;

	for (int i = 0; i < phases; i++) {
		phase(pool);  // starts threads, and joins them
		pool.reset(); // runs destructors, and frees everything
	}
} // it is destroyed here
// [herd::pool]

// [herd::member]
static const lines *numbers(herd::pool &pool, int n)
{
	herd::member member(pool); // put back at the end of the function
	lines *all = member.make<lines>(member.resource());

	for (int i = 0; i < n; i++)
		all->emplace_back(std::to_string(i));
	return all; // valid until the pool is reset
}
// [herd::member]

// [herd::member::try_get]
static bool log_if_idle(herd::pool &pool, const char *text)
{
	herd::member member = herd::member::try_get(pool); // never waits, never allocates

	return member && member.str(text) != nullptr;
}
// [herd::member::try_get]

// [herd::member::discard]
static std::size_t scratch(herd::pool &pool, std::string_view text)
{
	herd::member member(pool);
	const std::size_t n = std::strlen(member.str(text));

	member.discard(); // put back, and the copy is freed
	return n;
}
// [herd::member::discard]

// [herd::arena]
static std::size_t longest(const std::vector<std::string> &names)
{
	herd::arena arena; // frees its memory at the end of the function
	auto *best = arena.make<std::pmr::string>(arena.resource());

	for (const std::string &name : names)
		if (name.size() > best->size())
			*best = name;
	return best->size();
}
// [herd::arena]

// [herd::make]
struct point {
	int x, y;
};

static const point *middle(herd::pool &pool, const point &a, const point &b)
{
	return herd::make<point>(pool.local(), (a.x + b.x) / 2, (a.y + b.y) / 2);
}
// [herd::make]

// [herd::array]
static int *histogram(bump_t *bump, const std::vector<int> &values)
{
	int *counts = herd::array<int>(bump, 10); // all 0

	for (int value : values)
		counts[value % 10]++;
	return counts;
}
// [herd::array]

// [herd::array_for_overwrite]
static char *repeat(bump_t *bump, char c, std::size_t n)
{
	char *text = herd::array_for_overwrite<char>(bump, n); // not set to 0 before

	std::memset(text, c, n);
	return text;
}
// [herd::array_for_overwrite]

// [herd::str]
static const char *c_name(bump_t *bump, std::string_view name)
{
	return herd::str(bump, name); // with a NUL behind it
}
// [herd::str]

// [herd::resource]
static std::size_t sum_lengths(bump_t *bump, const char *const *texts, std::size_t n)
{
	herd::resource resource(bump);
	std::pmr::vector<std::size_t> lengths(&resource); // for one that another library made
	std::size_t sum = 0;

	for (std::size_t i = 0; i < n; i++)
		sum += lengths.emplace_back(std::strlen(texts[i]));
	return sum;
}
// [herd::resource]

// [herd::scope]
static std::size_t total(herd::arena &arena, const std::vector<std::string> &texts)
{
	std::size_t sum = 0;

	for (const std::string &text : texts) {
		herd::scope scope(arena); // what this turn allocates is gone at its end
		sum += std::strlen(arena.str(text));
	}
	return sum;
}
// [herd::scope]

// [herd::pool::adopt]
static const char *keep(herd::pool &pool, herd::arena &&arena, const char *result)
{
	pool.adopt(std::move(arena)); // throws std::system_error, and the arena is as before
	return result;		      // lives as long as what is in the pool
}
// [herd::pool::adopt]

static void phase(herd::pool &pool)
{
	const lines *all = numbers(pool, 12);

	MUST(all->size() == 12 && all->back() == "11");
	MUST(log_if_idle(pool, "a line"));
	MUST(scratch(pool, "abc") == 3);
	MUST(middle(pool, {0, 0}, {4, 6})->y == 3);
	pool.local_put();
}

static void in_one(herd::arena &arena)
{
	const char *texts[] = {"a", "bc"};

	MUST(histogram(arena.get(), {1, 11, 2})[1] == 2);
	MUST(repeat(arena.get(), 'x', 5)[4] == 'x');
	MUST(std::strcmp(c_name(arena.get(), "name"), "name") == 0);
	MUST(sum_lengths(arena.get(), texts, 2) == 3);
	MUST(total(arena, {"one", "three"}) == 8);
}

int main()
{
	herd::pool pool;
	herd::arena arena;

	in_phases(3, phase);
	MUST(longest({"a", "abc", "ab"}) == 3);
	in_one(arena);

	const char *text = arena.str("kept");
	MUST(std::strcmp(keep(pool, std::move(arena), text), "kept") == 0 && pool.owns(text));
	return 0;
}
