/* SPDX-License-Identifier: MIT */
/* Functions of herd as values and in types, of which compilers drop attributes. Prints "all". */

#include <cstdio>
#include <functional>
#include <memory>
#include <vector>

#include <herd/adapt.h>
#include <herd/herd.hpp>
#include <herd/str.h>
#include <herd/vec.h>

template <typename Function> struct hook {
	Function function;
};

int main()
{
	std::unique_ptr<bump_t, decltype(&bump_destroy)> bump(bump_new(nullptr), bump_destroy);
	std::unique_ptr<herd_t, decltype(&herd_destroy)> herd(herd_new(nullptr), herd_destroy);
	const hook<decltype(&bump_adapt_alloc)> alloc{bump_adapt_alloc};
	const std::vector<decltype(&bump_strdup)> functions{bump_strdup};
	const std::function<char *(bump_t *, const char *)> copy = bump_strdup;

	if (alloc.function(bump.get(), 3) == nullptr || copy(bump.get(), "x") == nullptr ||
	    functions.size() != 1)
		return 1;
	(void)bump_alloc(bump.get(), 100);
	std::puts("all");
	return 0;
}
