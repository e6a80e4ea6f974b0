/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_CPP_TAP_HPP
#define HERD_TESTS_CPP_TAP_HPP

/*
 * What the tests in C++ share: tests that end with the first check that fails, by an exception, so
 * that destructors run; and print TAP, as all others do.
 */

#include <cstdio>
#include <exception>
#include <initializer_list>

namespace tap
{

struct failure {
	const char *what;
	const char *file;
	int line;
};

/* Thrown by a test that can't be run here. */
struct skipped {
	const char *reason;
};

struct test {
	const char *name;
	void (*run)();
};

inline void check(bool holds, const char *what, const char *file, int line)
{
	if (!holds)
		throw failure{what, file, line};
}

/* Sets `why_not` where the test was skipped. */
inline bool passes(const test &test, const char *&why_not)
{
	try {
		test.run();
		return true;
	} catch (const skipped &skip) {
		why_not = skip.reason;
		return true;
	} catch (const failure &failed) {
		std::printf("# %s:%d: %s\n", failed.file, failed.line, failed.what);
	} catch (const std::exception &thrown) {
		std::printf("# thrown: %s\n", thrown.what());
	}
	return false;
}

/* What main() returns. */
inline int run(std::initializer_list<test> tests)
{
	int number = 0;
	int failed = 0;

	std::printf("1..%zu\n", tests.size());
	for (const test &test : tests) {
		const char *why_not = nullptr;
		const bool passed = passes(test, why_not);

		failed += !passed;
		std::printf("%sok %d - %s%s%s\n", passed ? "" : "not ", ++number, test.name,
			    why_not != nullptr ? " # SKIP " : "",
			    why_not != nullptr ? why_not : "");
		std::fflush(stdout);
	}
	return failed != 0;
}

} // namespace tap

#define CHECK(condition) tap::check((condition), #condition, __FILE__, __LINE__)

/* The statement throws an Exception. */
#define CHECK_THROWS(Exception, statement)                                                         \
	do {                                                                                       \
		bool thrown_ = false;                                                              \
		try {                                                                              \
			statement;                                                                 \
		} catch (const Exception &) {                                                      \
			thrown_ = true;                                                            \
		}                                                                                  \
		tap::check(thrown_, #statement " throws " #Exception, __FILE__, __LINE__);         \
	} while (0)

#endif
