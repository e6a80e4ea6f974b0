// SPDX-License-Identifier: MIT
/*
 * As report.c, through herd/herd.hpp: report faulty|correct CASE ...
 */

#include <herd/herd.hpp>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace
{

using numbers = std::pmr::vector<int>;

/* No compiler sees through a call that it may not inline. */
__attribute__((noinline)) void look_at(const int &number)
{
	if (number == 3)
		std::puts("a 3");
}

void cpp_after_reset(bool faulty)
{
	herd::pool pool;
	const int *first;
	{
		herd::member member(pool);
		numbers *const mine = member.make<numbers>(100, 7, member.resource());

		first = mine->data();
	}
	if (!faulty)
		look_at(*first);
	pool.reset();
	if (faulty)
		look_at(*first);
}

void cpp_overrun(bool faulty)
{
	herd::arena arena;
	const int *const items = arena.array<int>(10);

	(void)arena.array<int>(10);
	look_at(items[faulty ? 10 : 9]);
}

/*
 * A member that is moved to a thread, which fills a container that the main thread reads after the
 * join. The faulty one tells the thread's end in a way that orders nothing.
 */
void cpp_handed_over(bool faulty)
{
	herd::pool pool;
	herd::member member(pool);
	numbers *const mine = member.make<numbers>(1, 7, member.resource());
	std::atomic<bool> done{false};
	std::thread thread([&done, mine, here = std::move(member)] {
		for (int i = 0; i < 100; i++)
			mine->push_back(7);
		done.store(true, std::memory_order_relaxed);
	});

	if (!faulty)
		thread.join();
	while (!done.load(std::memory_order_relaxed))
		std::this_thread::yield();
	look_at(mine->back());
	mine->push_back(7);
	if (faulty)
		thread.join();
	look_at(mine->back());
}

/* Each thread has an arena of its own; or both have one. */
void cpp_two_threads(bool faulty)
{
	herd::arena arenas[2];
	std::atomic<bool> done{false};
	std::thread first([&] {
		for (int i = 0; i < 10; i++)
			*arenas[0].make<int>(7) += i;
		done.store(true, std::memory_order_relaxed);
	});
	std::thread second([&] {
		while (!done.load(std::memory_order_relaxed))
			std::this_thread::yield();
		for (int i = 0; i < 10; i++)
			*arenas[faulty ? 0 : 1].make<int>(7) += i;
	});

	first.join();
	second.join();
}

struct fault {
	const char *name;
	void (*run)(bool faulty);
};

constexpr fault faults[] = {
	{"cpp_after_reset", cpp_after_reset},
	{"cpp_overrun", cpp_overrun},
	{"cpp_handed_over", cpp_handed_over},
	{"cpp_two_threads", cpp_two_threads},
};

bool run(const char *name, bool faulty)
{
	for (const fault &f : faults) {
		if (std::strcmp(f.name, name) == 0) {
			f.run(faulty);
			return true;
		}
	}
	std::fprintf(stderr, "report: there is no case %s\n", name);
	return false;
}

} // namespace

int main(int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		if (!run(argv[i], std::strcmp(argv[1], "faulty") == 0))
			return 2;
	return argc < 3 ? 2 : 0;
}
