/* SPDX-License-Identifier: MIT */
/* The command line. */
#ifndef INDEX_OPTIONS_H
#define INDEX_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *root;
	unsigned threads;
	bool use_herd;
	bool json;
	bool all; /* list every identifier */
};

/* Read the command line. Ends the program where it is wrong (status 2), or asks for help (0). */
void options_read(struct options *options, int argc, char **argv);

#endif
