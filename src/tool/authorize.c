/* outbox authorize: has the user allow a relay's login in a browser, here or elsewhere (RFC 8628),
 * and keeps what the daemon renews its tokens by. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "base/errors.h"
#include "base/text.h"
#include "net/oauth.h"
#include "tool/command.h"
#include "tool/terminal.h"

#define WANTED "oauth_token_url, oauth_device_url, oauth_client_id and oauth_token_file"
#define SHOWN_MAX 500 /* bytes of what a stranger wrote */
#define TROUBLE_MAX 2000

static bool can_be_authorized(const RelayConfig *relay)
{
    return relay->oauth_token_url && relay->oauth_device_url;
}

/* The relay of that name, or the only one that can be meant. NULL when there is none, which has
 * been said. */
static RelayConfig *find_relay(const Config *config, const char *name)
{
    RelayConfig *found = NULL;
    size_t n = 0;

    for (size_t i = 0; i < config->n_relays; i++)
        if (name ? strcmp(config->relays[i]->name, name) == 0
                 : can_be_authorized(config->relays[i])) {
            found = config->relays[i];
            n++;
        }
    if (n == 1 && can_be_authorized(found))
        return found;
    if (n > 1)
        (void)tool_fail_number(ERROR_CONFIGURATION, "several relays can be authorized: name one");
    else if (name && !found)
        (void)tool_fail_number(ERROR_CONFIGURATION, "no relay is called %s", name);
    else if (found)
        (void)tool_fail_number(ERROR_CONFIGURATION,
            "relay %s has no place to ask for a code: set " WANTED, found->name);
    else
        (void)tool_fail_number(
            ERROR_CONFIGURATION, "there is no relay with a place to ask for a code: set " WANTED);
    return NULL;
}

static void print_code(const RelayConfig *relay, const OauthDevice *device)
{
    printf("To let outbox log in at %s, open\n\n    ", relay->host);
    (void)terminal_print(stdout, device->url, SHOWN_MAX);
    printf("\n\nas %s, and enter the code\n\n    ", relay->user ?: "the relay's user");
    (void)terminal_print(stdout, device->code, SHOWN_MAX);
    puts("\n");
    fflush(stdout);
}

static void sleep_for(usec_t time)
{
    struct timespec left = {
        .tv_sec = (time_t)(time / USEC_PER_SEC), .tv_nsec = (long)(time % USEC_PER_SEC) * 1000};

    (void)nanosleep(&left, NULL);
}

/* That the code is good all the same, each trouble once. */
static void print_trouble(const RelayConfig *relay, const Failure *f, char **told)
{
    if (f->number == ERROR_NONE || text_equal(*told, failure_text(f)))
        return;
    free(*told);
    *told = strdup(failure_text(f));
    fprintf(stderr, "outbox: relay %s: ", relay->name);
    (void)terminal_print(stderr, failure_text(f), TROUBLE_MAX);
    fputs("; it is asked again as long as the code is good\n", stderr);
}

static int authorize(const RelayConfig *relay, Failure *f)
{
    _cleanup_(oauth_device_done) OauthDevice device = {0};
    _cleanup_free_
    char *told = NULL;
    int r = oauth_device_begin(relay, &device, f);

    if (r < 0)
        return r;
    print_code(relay, &device);
    do {
        sleep_for(oauth_device_wait(&device));
        r = oauth_device_poll(relay, &device, f);
        if (r == 0)
            print_trouble(relay, f, &told);
    } while (r == 0);
    return r;
}

/* What may pass is to be tried again: a time that is over, and any fault of a proxy's, of which a
 * check says the same (delivery/advice.h). */
static int fail(const char *about, int r, const Failure *f)
{
    int status = tool_fail_about(about, f);

    return r == -ETIMEDOUT || f->number == ERROR_FIREWALL ? EX_TEMPFAIL : status;
}

int run_authorize(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    const RelayConfig *relay;
    char about[160];
    int c, r, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        default: return EX_USAGE;
        }
    if (argc - optind > 1)
        return tool_usage(command, "%s: one relay at most is wanted", argv[optind + 1]);
    status = tool_load(tool, &config);
    if (status != 0)
        return status;
    relay = find_relay(config, argv[optind]);
    if (!relay)
        return EX_CONFIG;
    snprintf(about, sizeof(about), "relay %.150s", relay->name);
    r = authorize(relay, &f);
    if (r < 0)
        return fail(about, r, &f);
    printf("relay %s: allowed; %s has what tokens are renewed by\n", relay->name,
        relay->oauth_token_file);
    return EX_OK;
}
