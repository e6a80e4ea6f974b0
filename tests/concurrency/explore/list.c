/* SPDX-License-Identifier: MIT */
/* The scenarios that are explored. */

#include "scenario.h"

enum { ALL = PREEMPTIONS_ALL };

const struct scenario scenarios[] = {
	{"two threads make members", 0, {"gp", "gp"}, ALL, ALL, 0},
	{"two get and put one member", 1, {"gpgp", "gpgp"}, 3, 6, 0},
	{"two get and put two members", 2, {"gpgp", "gpgp"}, 3, 6, 0},
	{"a pop beside two pops and a push", 2, {"gp", "ggpp"}, 3, 7, 0},
	{"two take three members apart", 3, {"gqgq", "ggpgqq"}, 2, 4, 0},
	{"three get and put one member", 1, {"gp", "gp", "gp"}, 2, 4, 0},
	{"three get and put two members", 2, {"gpgp", "gp", "gp"}, 2, 3, 0},
	{"a get meets a reset", 1, {"gpgp", "R"}, ALL, ALL, 0},
	{"a get and a put meet two resets", 1, {"gp", "R", "R"}, 3, 6, 0},
	{"two gets meet a reset", 2, {"gp", "gp", "R"}, 2, 3, 0},
	{"a try meets a reset and a get", 1, {"tptp", "gp", "R"}, 2, 3, 0},
	{"discards meet a reset", 1, {"gdgp", "gp", "R"}, 2, 3, 0},
	{"discards beside a trim", 1, {"gdgp", "T", "tp"}, 1, 3, 0},
	{"a destroy is refused", 1, {"gpgp", "D"}, ALL, ALL, ANCHOR},
	{"a get meets an absorb", 1, {"2gpgp", "A"}, 3, ALL, 0},
	{"an absorb beside gets in both herds", 1, {"gp", "2gp", "A"}, 2, 3, 0},
	{"an absorb meets a reset", 1, {"A", "2gp", "2R"}, 2, 5, 0},
	{"two herds absorb each other", 1, {"A", "B", "gp"}, 2, 3, 0},
	{"a walk beside an absorb", 1, {"A", "s", "2gp"}, 1, 3, VIEWS},
	{"a get meets a trim and a warm", 1, {"gpgp", "T", "W"}, 2, 6, 0},
	{"a thread ends with its own member", 1, {"L", "gp"}, 3, ALL, ENDS},
	{"threads end beside a reset", 1, {"L", "Ll", "R"}, 1, 3, ENDS},
	{"a thread ends beside a recall", 1, {"L.", ",Cgp"}, ALL, ALL, ENDS},
	{"a recall beside a reset", 1, {"L.", ",C", "R"}, 2, 4, ENDS},
	{"a walk beside gets and puts", 2, {"gpgp", "s"}, 3, 8, VIEWS},
	{"a member is handed over", 1, {"gh", "kp", "gp"}, 2, ALL, 0},
};
const size_t scenarios_count = sizeof scenarios / sizeof scenarios[0];
