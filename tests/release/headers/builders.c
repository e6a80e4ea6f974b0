/* SPDX-License-Identifier: MIT */
/*
 * Expands every macro of herd/vec.h, as C and as C++ (this file is both), counts how often each
 * argument is evaluated, and prints TAP. The run beside it compiles it with all compilers that it
 * finds.
 *
 * With WRONG set to a number it also compiles one mistake, of which every compiler must warn; with
 * RIGHT set to that number, what was meant.
 */
#include <herd/str.h>
#include <herd/vec.h>

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

struct point {
	int x, y;
};
struct other {
	int x, y;
};
struct derived {
	struct point base;
	int z;
};

typedef BUMP_VEC(int) ints_t;
typedef BUMP_VEC(long) longs_t;
typedef BUMP_VEC(struct point) points_t;
typedef BUMP_VEC(struct derived) deriveds_t;
typedef BUMP_VEC(const char *) names_t;
typedef BUMP_VEC(int (*)(int)) functions_t;
struct tree {
	int key;
	BUMP_VEC(struct tree) children; /* of a type that is not complete yet */
};

#ifndef WRONG
#define WRONG 0
#endif
#ifndef RIGHT
#define RIGHT 0
#endif
/* One of the mistakes, or of what was meant. */
int mistake(ints_t *ints, longs_t *longs, points_t *points, names_t *names, deriveds_t *deriveds);
int mistake(ints_t *ints, longs_t *longs, points_t *points, names_t *names, deriveds_t *deriveds)
{
	static const int some[] = {1, 2};
	static const long long_some[] = {1, 2};
	const struct point point = {1, 2};
	const struct other other = {1, 2};
	const struct derived derived = {{1, 2}, 3};
	int number = 1;

	(void)some, (void)long_some, (void)point, (void)other, (void)derived, (void)number;
	(void)ints, (void)longs, (void)points, (void)names, (void)deriveds;
#if WRONG == 1 /* another struct */
	return bump_vec_push(points, other);
#elif RIGHT == 1
	return bump_vec_push(points, point);
#elif WRONG == 2 /* a struct for its first member */
	return bump_vec_push(deriveds, point);
#elif RIGHT == 2
	return bump_vec_push(deriveds, derived);
#elif WRONG == 3 /* a number for a struct */
	return bump_vec_push(points, number);
#elif RIGHT == 3
	return bump_vec_push(ints, number);
#elif WRONG == 4 /* a pointer for a number */
	return bump_vec_push(ints, &number);
#elif RIGHT == 4
	return bump_vec_push(ints, *&number);
#elif WRONG == 5 /* another pointer */
	return bump_vec_push(names, &number);
#elif RIGHT == 5
	return bump_vec_push(names, "name");
#elif WRONG == 6 /* items of another type */
	return bump_vec_append(ints, long_some, 2);
#elif RIGHT == 6
	return bump_vec_append(ints, some, 2);
#elif WRONG == 7 /* items of another struct */
	return bump_vec_append(points, &other, 1);
#elif RIGHT == 7
	return bump_vec_append(points, &point, 1);
#elif WRONG == 8 /* the result as a pointer to another type */
	const long *const result = bump_vec_finish(ints);
	return result == NULL;
#elif RIGHT == 8
	const int *const result = bump_vec_finish(ints);
	return result == NULL;
#elif WRONG == 9 /* an element as another struct */
	const struct other popped = bump_vec_pop(points);
	return popped.x;
#elif RIGHT == 9
	const struct point popped = bump_vec_pop(points);
	return popped.x;
#elif WRONG == 10 /* the array, not its address */
	return bump_vec_push(*ints, 1);
#elif RIGHT == 10
	return bump_vec_push(&*ints, 1);
#elif WRONG == 11 /* something else for an array */
	return bump_vec_reserve(&number, 1);
#elif RIGHT == 11
	return bump_vec_reserve(ints, 1);
#elif WRONG == 12 /* something else for an arena */
	bump_vec_init(ints, &number);
	return 0;
#elif RIGHT == 12
	bump_vec_init(ints, longs->bump);
	return 0;
#elif WRONG == 13 /* two elements */
	return bump_vec_push(ints, 1, 2);
#elif RIGHT == 13
	return bump_vec_push(points, {1, 2});
#elif WRONG == 14 /* an array of another type */
	ints = longs;
	return bump_vec_push(ints, 1);
#elif RIGHT == 14
	ints_t *const same = ints;
	return bump_vec_push(same, 1);
#else
	return 0;
#endif
}

static int failed;
static int checks;

static void check(bool works, const char *what)
{
	failed += !works;
	printf("%sok %d - %s\n", works ? "" : "not ", ++checks, what);
}

static int evaluated;

static bump_t *counted_bump(bump_t *bump)
{
	evaluated++;
	return bump;
}

static ints_t *counted(ints_t *v)
{
	evaluated++;
	return v;
}

static const int *counted_items(const int *items)
{
	evaluated++;
	return items;
}

static size_t counted_size(size_t n)
{
	evaluated++;
	return n;
}

static int counted_value(int value)
{
	evaluated++;
	return value;
}

/* Whether so many arguments were evaluated since the last call. */
static bool were_evaluated(int n)
{
	const bool right = evaluated == n;

	evaluated = 0;
	return right;
}

static void check_counts(bump_t *bump)
{
	static const int some[] = {1, 2, 3};
	ints_t v;

	bump_vec_init(counted(&v), counted_bump(bump));
	check(were_evaluated(2) && v.data == NULL, "bump_vec_init evaluates each argument once");
	const int reserved = bump_vec_reserve(counted(&v), counted_size(3));
	check(were_evaluated(2) && reserved == 0, "bump_vec_reserve evaluates each argument once");
	/* With room, and without. */
	for (size_t i = 0; i < 100; i++) {
		const int pushed = bump_vec_push(counted(&v), counted_value((int)i));
		if (!were_evaluated(2) || pushed != 0 || v.data[i] != (int)i)
			check(false, "bump_vec_push evaluates each argument once");
	}
	check(v.len == 100, "bump_vec_push evaluates each argument once, and works");
	const int appended = bump_vec_append(counted(&v), counted_items(some), counted_size(3));
	check(were_evaluated(3) && appended == 0 && v.len == 103 && v.data[102] == 3,
	      "bump_vec_append evaluates each argument once, and works");
	const int popped = bump_vec_pop(counted(&v));
	check(were_evaluated(1) && popped == 3 && v.len == 102,
	      "bump_vec_pop evaluates its argument once, and works");
	const int *const all = bump_vec_finish(counted(&v));
	check(were_evaluated(1) && all != NULL && all[101] == 2 && v.len == 0,
	      "bump_vec_finish evaluates its argument once, and works");
}

static int negate(int n)
{
	return -n;
}

static void check_uses(bump_t *bump)
{
	ints_t v;
	ints_t w;
	points_t points;
	functions_t functions;
	struct tree root;
	struct tree child;

	bump_vec_init(&v, bump);
	bump_vec_init(&w, bump);
	bump_vec_init(&points, bump);
	bump_vec_init(&functions, bump);
	bump_vec_init(&root.children, bump);
	bump_vec_init(&child.children, bump);
	child.key = root.key = 5;

	/* Nested. */
	bump_vec_push(&v, 1);
	bump_vec_push(&v, 2);
	bump_vec_push(&w, bump_vec_pop(&v) + bump_vec_pop(&v));
	bump_vec_push(&v, bump_vec_push(&w, bump_vec_append(&w, w.data, w.len)));
	check(w.len == 3 && w.data[1] == 3 && w.data[2] == 0 && v.len == 1 && v.data[0] == 0,
	      "macros may be nested");
	/* As statements, without a look at what they yield. */
	bump_vec_pop(&v);
	bump_vec_finish(&v);
	if (bump_vec_push(&points, {3, 4}) == 0)
		bump_vec_push(&points, points.data[0]);
	else
		bump_vec_pop(&points);
	check(points.len == 2 && points.data[1].y == 4, "an element may be written in braces");
	bump_vec_push(&functions, negate);
	check(functions.data[0](7) == -7, "elements may be pointers to functions");
	bump_vec_push(&root.children, child);
	check(root.children.data[0].key == 5, "a struct may hold an array of itself");
}

static void check_longjmp(bump_t *bump)
{
	static jmp_buf point;
	ints_t v;

	/* Compilers warn of variables that a longjmp may spoil. */
	bump_vec_init(&v, bump);
	if (setjmp(point) == 0)
		for (int i = 0; i < 10; i++)
			bump_vec_push(&v, i);
	check(v.len == 10, "macros do not disturb setjmp");
}

static void check_str(bump_t *bump)
{
	bump_str_t s;
	size_t length;

	bump_str_init(&s, bump);
	const int errors = bump_str_append(&s, "ab", 2) | bump_str_puts(&s, "cd") |
			   bump_str_putc(&s, 'e') | bump_str_printf(&s, "%d", 6) |
			   bump_str_reserve(&s, 1000);
	const char *const text = bump_str_finish(&s, &length);
	check(errors == 0 && text != NULL && length == 6 && strcmp(text, "abcde6") == 0,
	      "the string builder works");
}

int main(void)
{
	bump_t *const bump = bump_new(NULL);

	if (bump == NULL)
		return 1;
	check_counts(bump);
	check_uses(bump);
	check_longjmp(bump);
	check_str(bump);
	printf("1..%d\n", checks);
	bump_destroy(bump);
	return failed != 0;
}
