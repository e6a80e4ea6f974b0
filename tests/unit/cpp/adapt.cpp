/* SPDX-License-Identifier: MIT */
/* herd/adapt.h in a program of C and of C++: they have one choice of arena, not one each. */

#include "support.hpp"

#include <herd/adapt.h>

#include "adapt_in_c.h"

namespace
{

void c_sees_what_cxx_chose()
{
	herd::arena arena;

	CHECK(bump_adapt_local_use(arena.get()) == nullptr);
	CHECK(bump_owns(arena.get(), c_malloc(100)));
	CHECK(c_use(nullptr) == arena.get());
	CHECK(bump_adapt_local_use(nullptr) == nullptr);
}

void cxx_sees_what_c_chose()
{
	herd::arena arena;

	CHECK(c_use(arena.get()) == nullptr);
	void *const ptr = bump_adapt_local_malloc(100);
	CHECK(bump_owns(arena.get(), ptr));
	c_free(ptr);
	CHECK(bump_adapt_local_use(nullptr) == arena.get());
}

} // namespace

int main()
{
	return tap::run({
		{"C sees what C++ chose", c_sees_what_cxx_chose},
		{"C++ sees what C chose", cxx_sees_what_c_chose},
	});
}
