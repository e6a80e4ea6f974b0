/* SPDX-License-Identifier: MIT */
/*
 * Containers and objects that are handed from thread to thread. Compiled as C++17 and as C++20, and
 * most telling under thread sanitizer.
 */

#include "support.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

namespace
{

constexpr int THREADS = 4;
constexpr int ITEMS = 300;

/* Runs a function in threads, one for each number, and joins them. */
template <typename Function> void in_threads(int n, Function function)
{
#ifdef __cpp_lib_jthread
	std::vector<std::jthread> threads;

	for (int i = 0; i < n; i++)
		threads.emplace_back(function, i);
#else
	std::vector<std::thread> threads;

	for (int i = 0; i < n; i++)
		threads.emplace_back(function, i);
	for (std::thread &thread : threads)
		thread.join();
#endif
}

/* A queue between threads; its nodes are on the heap. */
template <typename T> class channel
{
      public:
	void send(T item)
	{
		const std::lock_guard lock(mutex_);

		items_.push_back(std::move(item));
		ready_.notify_one();
	}

	T receive()
	{
		std::unique_lock lock(mutex_);

		ready_.wait(lock, [this] { return !items_.empty(); });
		T item = std::move(items_.front());
		items_.pop_front();
		return item;
	}

      private:
	std::mutex mutex_;
	std::condition_variable ready_;
	std::deque<T> items_;
};

using texts = std::pmr::vector<std::pmr::string>;
using index = std::pmr::map<int, texts>;

std::string text_of(int i)
{
	return std::to_string(i) + " is a number with a text that is kept outside of the string";
}

void fill(texts &into, int first)
{
	for (int i = 0; i < ITEMS; i++)
		into.emplace_back(text_of(first + i));
}

bool holds(const texts &all, int first)
{
	for (int i = 0; i < ITEMS; i++)
		if (all[static_cast<std::size_t>(i)] != text_of(first + i).c_str())
			return false;
	return all.size() == ITEMS;
}

void results_are_read_when_the_threads_are_gone()
{
	herd::pool pool;

	for (int turn = 0; turn < 3; turn++) {
		const index *results[THREADS];

		in_threads(THREADS, [&](int number) {
			herd::member member(pool);
			auto *const mine = member.make<index>(member.resource());

			fill((*mine)[number], number);
			results[number] = mine;
		});
		for (int i = 0; i < THREADS; i++)
			CHECK(holds(results[i]->at(i), i));
		pool.reset();
	}
}

/* The members were put back, and others have them: here containers are changed and destroyed. */
void containers_are_destroyed_by_others_after_the_checkout()
{
	herd::pool pool;
	{
		channel<texts> to_main;
		int good = 0;

		std::thread producers([&] {
			in_threads(THREADS, [&](int number) {
				for (int i = 0; i < 10; i++) {
					herd::member member(pool);
					texts made(member.resource());

					fill(made, number);
					member.put();
					to_main.send(std::move(made));
				}
			});
		});
		for (int i = 0; i < THREADS * 10; i++) {
			texts received = to_main.receive();

			for (int number = 0; number < THREADS; number++)
				good += holds(received, number);
			received.pop_back();
			received.front() = "short";
		}
		producers.join();
		CHECK(good == THREADS * 10);
	}
	pool.reset();
}

/* One thread keeps its member and goes on allocating while another destroys what it sent. */
void containers_are_destroyed_by_others_during_the_checkout()
{
	herd::pool pool;
	{
		channel<texts> to_main;
		int good = 0;

		std::thread producer([&] {
			herd::member member(pool);

			for (int i = 0; i < 40; i++) {
				texts made(member.resource());

				fill(made, i);
				to_main.send(std::move(made));
			}
		});
		for (int i = 0; i < 40; i++)
			good += holds(to_main.receive(), i);
		producer.join();
		CHECK(good == 40);
	}
	pool.reset();
}

void a_member_goes_from_thread_to_thread()
{
	herd::pool pool;
	const texts *made = nullptr;
	{
		herd::member first(pool);
		texts before(first.resource());

		fill(before, 1);
		std::thread([&, member = std::move(first)]() mutable {
			texts *const mine = member.make<texts>(member.resource());

			fill(*mine, 2);
			made = mine;
		}).join();
		CHECK(holds(before, 1));
	}
	CHECK(holds(*made, 2) && pool.stats().out == 0);
	pool.reset();
}

/* Its former thread destroys a container while the next one allocates, not by the resource. */
void containers_stay_behind_when_a_member_goes()
{
	herd::pool pool;
	{
		herd::member first(pool);
		std::vector<texts> stay;
		channel<int> started;

		for (int i = 0; i < 20; i++) {
			stay.emplace_back(first.resource());
			fill(stay.back(), i);
		}
		std::thread next([&started, member = std::move(first)]() mutable {
			started.send(1);
			for (int i = 0; i < 20000; i++)
				(void)member.array<int>(10);
		});
		started.receive();
		stay.clear();
		next.join();
	}
	pool.reset();
}

/* What a pool took over, any thread may free at once. */
void arenas_are_taken_over_while_the_pool_is_reset()
{
	herd::pool pool;
	std::atomic<bool> done = false;
	std::thread resetting([&] {
		while (!done)
			pool.reset();
	});

	for (int i = 0; i < 200; i++) {
		herd::arena arena;

		arena.make<texts>(3, "a text that is too long for the string itself",
				  arena.resource());
		pool.adopt(std::move(arena));
	}
	done = true;
	resetting.join();
	pool.reset();
}

/*
 * The child has the members of threads that it does not have, and resets them: their owners are on
 * stacks that must not be touched.
 */
void a_child_frees_what_other_threads_had()
{
	herd::pool pool;
	channel<int> started;
	channel<int> stop;

	std::thread holder([&] {
		herd::member member(pool);

		member.make<texts>(3, "a text that is too long for the string itself",
				   member.resource());
		started.send(1);
		stop.receive();
	});
	started.receive();
	const pid_t child = fork();
	if (child == 0) {
		const bool lost = herd_recall(pool.get()) == 1;
		const bool good = lost && herd_reset(pool.get()) == 0;

		_exit(good && herd_destroy(pool.get()) == 0 ? 0 : 1);
	}
	int status = -1;
	const bool waited = child > 0 && waitpid(child, &status, 0) == child;
	stop.send(1);
	holder.join();
	CHECK(waited && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	pool.reset();
}

/* The second thread most likely has the stack, and the thread-local variables, of the first. */
void a_thread_is_not_taken_for_one_that_ended()
{
	herd::arena arena;
	auto *const numbers = new std::pmr::vector<int>(arena.resource());

	in_threads(1, [&](int) { numbers->reserve(1000); });
	const std::size_t used = arena.stats().used;
	in_threads(1, [&](int) { delete numbers; });
	CHECK(arena.stats().used == used);
}

} // namespace

int main()
{
	return tap::run({
		{"results are read when the threads are gone",
		 results_are_read_when_the_threads_are_gone},
		{"containers are destroyed by others after the checkout",
		 containers_are_destroyed_by_others_after_the_checkout},
		{"containers are destroyed by others during the checkout",
		 containers_are_destroyed_by_others_during_the_checkout},
		{"a member goes from thread to thread", a_member_goes_from_thread_to_thread},
		{"containers stay behind when a member goes",
		 containers_stay_behind_when_a_member_goes},
		{"arenas are taken over while the pool is reset",
		 arenas_are_taken_over_while_the_pool_is_reset},
		{"a child frees what other threads had", a_child_frees_what_other_threads_had},
		{"a thread is not taken for one that ended",
		 a_thread_is_not_taken_for_one_that_ended},
	});
}
