/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "CGracePeriod.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* How long the visits may take before a grace period of RCU begins as well. */
static const long head_start_nanoseconds = 1000000;
static const size_t stack_bytes = 256 << 10;

int bh_grace_period(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) ? -errno : 0;
}

/* Whether a task may run while packets of its processor are half processed. */
static int softirqs_are_preemptible(void)
{
	struct utsname name;
	FILE *file = fopen("/sys/kernel/realtime", "re");
	int answer = '0';

	if (file) {
		answer = getc(file);
		fclose(file);
	}
	return answer == '1' || uname(&name) || strstr(name.version, "PREEMPT_RT");
}

/* Whether packets come back from queues: the file lists the `portid`s that listen. */
static int queues_are_served(void)
{
	FILE *file = fopen("/proc/thread-self/net/netfilter/nfnetlink_queue", "re");
	int is_served;

	if (!file)
		return errno != ENOENT;
	is_served = getc(file) != EOF;
	fclose(file);
	return is_served;
}

static int visit(unsigned int processor)
{
	cpu_set_t set;

	if (processor >= CPU_SETSIZE)
		return -E2BIG;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return -errno;
	return sched_getcpu() == (int)processor ? 0 : -EAGAIN;
}

/* A processor that goes offline meanwhile is done with its packets; one that comes online begins with new ones. */
static int visit_online(void)
{
	FILE *file = fopen("/sys/devices/system/cpu/online", "re");
	unsigned int first, last;
	int code = -EIO, next = ',';

	if (!file)
		return -errno;
	/* For example 0-3,5 */
	while (next == ',' && fscanf(file, "%u", &first) == 1) {
		last = first;
		next = getc(file);
		if (next == '-') {
			if (fscanf(file, "%u", &last) != 1) {
				code = -EIO;
				break;
			}
			next = getc(file);
		}
		code = 0;
		for (unsigned int processor = first; processor <= last && !code; processor++)
			code = visit(processor);
		if (code)
			break;
	}
	fclose(file);
	return code;
}

int bh_visit_processors(void)
{
	cpu_set_t before;
	int code;

	if (softirqs_are_preemptible())
		return -EOPNOTSUPP;
	if (sched_getaffinity(0, sizeof(before), &before))
		return -errno;
	code = visit_online();
	sched_setaffinity(0, sizeof(before), &before);
	return code;
}

/* A thread that repeats the same work on each request. */
struct worker {
	int (*work)(void);
	int is_started;
	pthread_cond_t asked;
	/* Rounds: the last one requested, the last one that ended, and the last one that succeeded. */
	unsigned long wanted, ended, good;
	/* The result of the last round. */
	int code;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t round_ended = PTHREAD_COND_INITIALIZER;
static struct worker visitor = {.work = bh_visit_processors, .asked = PTHREAD_COND_INITIALIZER};
static struct worker waiter = {.work = bh_grace_period, .asked = PTHREAD_COND_INITIALIZER};

static void *run(void *argument)
{
	struct worker *worker = argument;

	pthread_setname_np(pthread_self(), "bulkhead-packet");
	pthread_mutex_lock(&lock);
	for (;;) {
		while (worker->wanted == worker->ended)
			pthread_cond_wait(&worker->asked, &lock);
		unsigned long round = worker->wanted;
		pthread_mutex_unlock(&lock);
		int code = worker->work();
		pthread_mutex_lock(&lock);
		worker->ended = round;
		worker->code = code;
		if (!code)
			worker->good = round;
		pthread_cond_broadcast(&round_ended);
	}
	return NULL;
}

static int start(struct worker *worker)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;
	int code;

	if (worker->is_started)
		return 0;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, stack_bytes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	/* Other threads handle signals. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&thread, &attributes, run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	worker->is_started = !code;
	return -code;
}

/* A round that begins after this call. */
static unsigned long ask(struct worker *worker)
{
	worker->wanted++;
	pthread_cond_signal(&worker->asked);
	return worker->wanted;
}

static int wait_for_either(void)
{
	struct timespec end;
	unsigned long visits = ask(&visitor), grace;
	int late = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += head_start_nanoseconds;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	while (visitor.ended < visits && !late)
		late = pthread_cond_clockwait(&round_ended, &lock, CLOCK_MONOTONIC, &end);
	if (visitor.good >= visits)
		return 0;
	grace = ask(&waiter);
	while (visitor.good < visits && waiter.ended < grace)
		pthread_cond_wait(&round_ended, &lock);
	return visitor.good >= visits || waiter.good >= grace ? 0 : waiter.code;
}

int bh_forwarding_grace_period(void)
{
	int code, is_ready;

	if (queues_are_served())
		return bh_grace_period();
	pthread_mutex_lock(&lock);
	is_ready = !start(&visitor) && !start(&waiter);
	code = is_ready ? wait_for_either() : 0;
	pthread_mutex_unlock(&lock);
	return is_ready ? code : bh_grace_period();
}
