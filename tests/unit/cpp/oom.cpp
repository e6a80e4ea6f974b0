/* SPDX-License-Identifier: MIT */
/*
 * A program in which memory runs out at each place where it can, in turn: nothing is lost, nothing
 * is destroyed twice.
 */

#include "support.hpp"

#include <cerrno>
#include <map>
#include <memory>

namespace
{

std::size_t heap_calls;
std::size_t heap_fails_at = SIZE_MAX;

[[maybe_unused]] void *from_heap(std::size_t size)
{
	if (++heap_calls >= heap_fails_at)
		throw std::bad_alloc();
	void *const memory = std::malloc(size);

	if (memory == nullptr)
		throw std::bad_alloc();
	return memory;
}

using texts = std::pmr::vector<std::pmr::string>;

/* Allocates in its constructor, and has a destructor that is counted. */
struct branch {
	branch(herd::member &member, int depth) : texts_(member.resource())
	{
		for (int i = 0; i < 20; i++)
			texts_.emplace_back(std::string(100, 'x'));
		if (depth > 0)
			child_ = member.make<branch>(member, depth - 1);
	}

	texts texts_;
	noted counted_{1};
	branch *child_ = nullptr;
};

struct alignas(64) wide {
	char bytes[2000]{};
	noted counted{2};
};

void work(herd::pool &pool)
{
	herd::member kept(pool);

	kept.make<branch>(kept, 3);
	for (int i = 0; i < 4; i++) {
		herd::member member(pool);
		std::pmr::map<int, std::pmr::string> map(member.resource());

		CHECK(member.array<noted>(10) != nullptr);
		member.make<wide>();
		CHECK(member.array<wide>(3) != nullptr);
		for (int n = 0; n < 50; n++)
			map[n] = member.str(std::string(200, 'y'));
		if (i % 2 == 0) {
			map.clear();
			::new (&map) std::pmr::map<int, std::pmr::string>;
			member.discard();
		}
	}
}

/* Whether it ran to its end, with the given source and with a heap that fails at the k-th call. */
bool run(counting_source &source, std::size_t heap_call)
{
	bool done = false;
	herd_config_t config{};

	config.bump.source = &source.source;
	config.bump.max_chunk = 8192; /* many chunks, so that there are many places to fail at */
	noted::forget();
	try {
		herd::pool pool(config);

		heap_calls = 0;
		heap_fails_at = heap_call;
		try {
			work(pool);
			done = true;
		} catch (const std::bad_alloc &) {
		}
		heap_fails_at = SIZE_MAX;
		CHECK(pool.stats().out == 0);
		pool.reset();
		CHECK(noted::alive == 0);
		work(pool);
	} catch (const std::bad_alloc &) {
		heap_fails_at = SIZE_MAX; /* not even the pool, or again */
	}
	CHECK(noted::alive == 0);
	CHECK(source.held() == 0);
	return done;
}

void the_source_fails_at_each_call()
{
	bool done = false;
	std::size_t call = 1;

	for (; !done; call++) {
		counting_source source;

		source.fail_at(call);
		done = run(source, SIZE_MAX);
	}
	CHECK(call > 10);
}

void the_heap_fails_at_each_call()
{
	bool done = false;
	std::size_t call = 1;

	for (; !done; call++) {
		counting_source source;

		done = run(source, call);
		if (heap_calls == 0)
			throw tap::skipped{"operator new is the tool's that watches the process"};
	}
	CHECK(call > 5);
}

} // namespace

/* Thread sanitizer has them in clang's own library, which is linked first. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_NO_OPERATOR_NEW 1
#endif
#endif

#ifndef HAS_NO_OPERATOR_NEW
void *operator new(std::size_t size)
{
	return from_heap(size);
}

void operator delete(void *memory) noexcept
{
	std::free(memory);
}

void operator delete(void *memory, std::size_t) noexcept
{
	std::free(memory);
}

#endif

int main()
{
	return tap::run({
		{"the source fails at each call", the_source_fails_at_each_call},
		{"the heap fails at each call", the_heap_fails_at_each_call},
	});
}
