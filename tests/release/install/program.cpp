/* SPDX-License-Identifier: MIT */
/*
 * A program in C++ as a user writes it, built against an installed herd with what pkg-config says
 * and nothing else. Prints the version of the library that it runs with.
 */
#include <cstdio>
#include <string>
#include <vector>

#include <herd/herd.hpp>

using lines = std::pmr::vector<std::pmr::string>;

static const lines *greet(herd::pool &pool)
{
	herd::member member(pool);
	lines *const greetings = member.make<lines>(member.resource());

	greetings->emplace_back("hello, and some more, so that it has to be allocated");
	return greetings;
}

int main()
{
	herd::pool pool;

	if (greet(pool)->front().compare(0, 6, "hello,") != 0)
		return 1;
	pool.reset();
	std::puts(herd_version());
	return 0;
}
