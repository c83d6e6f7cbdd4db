/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One program under three names: daemon, client and decider share most of their code, and the Swift runtime, so that
 * one file is a third of three.
 */
#include <stdio.h>
#include <string.h>

int bulkheadd_main(int argc, char **argv);
int bulkheadctl_main(int argc, char **argv);
int bulkhead_http_main(int argc, char **argv);

int main(int argc, char **argv)
{
	const char *path = argc > 0 ? argv[0] : "";
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (!strcmp(name, "bulkheadd"))
		return bulkheadd_main(argc, argv);
	if (!strcmp(name, "bulkheadctl"))
		return bulkheadctl_main(argc, argv);
	if (!strcmp(name, "bulkhead-http"))
		return bulkhead_http_main(argc, argv);
	fprintf(stderr, "bulkhead: call this program as bulkheadd, bulkheadctl or bulkhead-http, not as '%s'\n", name);
	return 2;
}
