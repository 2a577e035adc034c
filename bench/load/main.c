/* main.c: load: an open-loop load generator for the services of this folder and their peers.
 *
 * Prints one line of JSON: what was offered and answered, percentiles of the latency from the planned send time, and
 * the whole histogram as [upper end in us, count] of each bucket that is not empty. Plain threads and epoll, so that it
 * measures every server the same way. */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "generator.h"

enum { THREADS_MAX = 64, BILLION = 1000000000 };

static const char usage[] = "usage: load --protocol echo|http|redis --port N [options]\n"
                            "  --rate R         requests a second, all together (10000)\n"
                            "  --seconds S      how long (5)\n"
                            "  --warm-up S      before that, not counted (1)\n"
                            "  --connections N  all together (64)\n"
                            "  --threads N      (1)\n"
                            "  --seed N         of the arrivals (1)\n"
                            "  --help           this\n";

struct options {
    const struct protocol *protocol;
    int port, connections, threads;
    double rate, seconds, warm_up;
    uint64_t seed;
};

struct thread {
    pthread_t id;
    struct generator_plan plan;
    struct generator_result result;
};

static double number(const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end != text && *end == '\0' && value >= least && value <= most)
        return value;
    fprintf(stderr, "load: '%s' is not a number from %g to %g\n", text, least, most);
    exit(2);
}

static struct options read_options(int argc, char **argv)
{
    static const struct option names[] = {
        { "protocol", required_argument, NULL, 'p' }, { "port", required_argument, NULL, 'o' },
        { "rate", required_argument, NULL, 'r' },     { "seconds", required_argument, NULL, 's' },
        { "warm-up", required_argument, NULL, 'w' },  { "connections", required_argument, NULL, 'c' },
        { "threads", required_argument, NULL, 't' },  { "seed", required_argument, NULL, 'e' },
        { "help", no_argument, NULL, 'h' },           { NULL, 0, NULL, 0 },
    };
    struct options options = { .connections = 64, .threads = 1, .rate = 10000, .seconds = 5, .warm_up = 1, .seed = 1 };
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
        case 'p': options.protocol = protocol_find(optarg); break;
        case 'o': options.port = (int)number(optarg, 1, 65535); break;
        case 'r': options.rate = number(optarg, 1, 1e8); break;
        case 's': options.seconds = number(optarg, 0.01, 3600); break;
        case 'w': options.warm_up = number(optarg, 0, 3600); break;
        case 'c': options.connections = (int)number(optarg, 1, 100000); break;
        case 't': options.threads = (int)number(optarg, 1, THREADS_MAX); break;
        case 'e': options.seed = (uint64_t)number(optarg, 1, 1e15); break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (options.protocol == NULL || options.port == 0 || options.connections < options.threads || optind < argc) {
        fputs(usage, stderr);
        exit(2);
    }
    return options;
}

static void *run(void *arg)
{
    struct thread *thread = arg;
    generator_run(&thread->plan, &thread->result);
    return NULL;
}

static void start(struct thread *thread, const struct options *options, int index, int64_t start_ns)
{
    int64_t warm_ns = start_ns + (int64_t)(options->warm_up * BILLION);
    int share = options->connections / options->threads + (index < options->connections % options->threads);
    thread->plan = (struct generator_plan){
        .protocol = options->protocol,
        .port = options->port,
        .connections = share,
        .rate = options->rate / options->threads,
        .start_ns = start_ns,
        .warm_ns = warm_ns,
        .end_ns = warm_ns + (int64_t)(options->seconds * BILLION),
        .seed = (options->seed * 64 + (uint64_t)index + 1) * UINT64_C(0x9E3779B97F4A7C15),
    };
    if (pthread_create(&thread->id, NULL, run, thread) != 0) {
        fprintf(stderr, "load: no thread\n");
        exit(1);
    }
}

static void print(const struct options *options, const struct generator_result *all, double seconds)
{
    static const struct {
        const char *name;
        double share;
    } shares[] = { { "p50_us", 0.5 }, { "p90_us", 0.9 }, { "p99_us", 0.99 }, { "p999_us", 0.999 } };
    const char *comma = "";
    printf("{\"protocol\":\"%s\",\"rate\":%.10g,\"connections\":%d,\"threads\":%d,\"seed\":%" PRIu64
           ",\"planned\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"answered_rate\":%.1f",
           options->protocol->name, options->rate, options->connections, options->threads, options->seed, all->planned,
           all->answered, all->lost, (double)all->answered / seconds);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        printf(",\"%s\":%.3f", shares[i].name, (double)histogram_quantile(&all->latencies, shares[i].share) / 1e3);
    printf(",\"max_us\":%.3f,\"histogram\":[", (double)all->latencies.max / 1e3);
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (all->latencies.counts[i] == 0)
            continue;
        printf("%s[%.3f,%" PRIu64 "]", comma, (double)histogram_bucket_max(i) / 1e3, all->latencies.counts[i]);
        comma = ",";
    }
    printf("]}\n");
}

int main(int argc, char **argv)
{
    static struct thread threads[THREADS_MAX];
    static struct generator_result all;
    struct options options = read_options(argc, argv);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t start_ns = (int64_t)now.tv_sec * BILLION + now.tv_nsec + BILLION / 5; /* time to connect */
    for (int i = 0; i < options.threads; i++)
        start(&threads[i], &options, i, start_ns);
    for (int i = 0; i < options.threads; i++) {
        const struct generator_result *one = &threads[i].result;
        pthread_join(threads[i].id, NULL);
        if (one->failure != NULL) {
            fprintf(stderr, "load: %s\n", one->failure);
            return 1;
        }
        histogram_merge(&all.latencies, &one->latencies);
        all.planned += one->planned;
        all.answered += one->answered;
        all.lost += one->lost;
        if (one->last_ns > all.last_ns)
            all.last_ns = one->last_ns;
    }
    double seconds = (double)(all.last_ns - threads[0].plan.warm_ns) / BILLION;
    print(&options, &all, seconds > options.seconds ? seconds : options.seconds);
    return 0;
}
