/* The command line of `outbox setup`. Must never take a password from it. */
#include "tool/setup_options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "message/address.h"
#include "settings/host.h"
#include "tool/setup.h"

#define PASSWORD_MAX ((size_t)64 * 1024)

/* ---- values ---- */

static int take_port(const Command *command, SetupAnswers *a)
{
    char *end;
    unsigned long port = strtoul(optarg, &end, 10);

    if (*end || !text_is_alphanumeric(*optarg) || port < 1 || port > 65535)
        return tool_usage(command, "--port %s: a number from 1 to 65535 is wanted", optarg);
    a->port = (unsigned)port;
    return 0;
}

int setup_take_tls(SetupAnswers *a, const char *text)
{
    static const char *const modes[] = {"starttls", "implicit", "opportunistic", "none"};

    if (strcmp(text, "automatic") == 0)
        return setup_set(&a->tls, "");
    for (size_t i = 0; i < ELEMENTSOF(modes); i++)
        if (strcmp(text, modes[i]) == 0)
            return setup_set(&a->tls, text);
    return 1;
}

static int take_tls(const Command *command, SetupAnswers *a)
{
    int r = setup_take_tls(a, optarg);

    return r <= 0 ? r
                  : tool_usage(command,
                        "--tls %s: it can be automatic, starttls, implicit, opportunistic or none",
                        optarg);
}

static int take_address(const Command *command, const char *option, const char *text, char **field)
{
    _cleanup_failure_ Failure f = {0};

    if (address_check(text, strlen(text), false, &f) < 0)
        return tool_usage(command, "%s: %s", option, failure_text(&f));
    return field ? setup_set(field, text) : 0;
}

static int take_directory(const Command *command, SetupAnswers *a)
{
    struct stat st;

    if (stat(optarg, &st) == 0 && !S_ISDIR(st.st_mode))
        return tool_usage(command, "--directory %s: that is no directory", optarg);
    return setup_set_path(&a->directory, optarg);
}

/* Before it is a setting in a file that is not there yet. */
static int take_host(const Command *command, SetupAnswers *a)
{
    const char *wrong = host_check(optarg);

    if (wrong)
        return tool_usage(
            command, "--relay: \"%s\" %s; it takes a host name or an address alone", optarg, wrong);
    return setup_set(&a->host, optarg);
}

/* ---- one option ---- */

static int take_relay_option(const Command *command, int c, SetupAnswers *a)
{
    switch (c) {
    case SETUP_OPTION_RELAY: return take_host(command, a);
    case SETUP_OPTION_PORT: return take_port(command, a);
    case SETUP_OPTION_TLS: return take_tls(command, a);
    case SETUP_OPTION_CA_FILE: return setup_set_path(&a->ca_file, optarg);
    case SETUP_OPTION_ACCEPT: return setup_set(&a->fingerprint, optarg);
    case SETUP_OPTION_USER: return setup_set(&a->user, optarg);
    case SETUP_OPTION_CLIENT_ID: return setup_set(&a->client_id, optarg);
    case SETUP_OPTION_TENANT: return setup_set(&a->tenant, optarg);
    case SETUP_OPTION_ROOT: return take_address(command, "--root", optarg, &a->root);
    case SETUP_OPTION_FROM: return take_address(command, "--from", optarg, &a->from);
    case 'd': return take_directory(command, a);
    default: return EX_USAGE;
    }
}

static int take_option(const Command *command, int c, SetupChoice *choice, SetupAnswers *a)
{
    switch (c) {
    case SETUP_OPTION_PROVIDER: choice->provider = optarg; return 0;
    case SETUP_OPTION_REGION: choice->region = optarg; return 0;
    case SETUP_OPTION_PASSWORD_FILE: choice->password_file = optarg; return 0;
    case SETUP_OPTION_CREDENTIAL: choice->credential = true; return 0;
    case SETUP_OPTION_TEST_TO:
        choice->test_to = optarg;
        return take_address(command, "--test-to", optarg, NULL);
    case SETUP_OPTION_UNTESTED: choice->untested = true; return 0;
    case SETUP_OPTION_OVERWRITE: choice->overwrite = true; return 0;
    case SETUP_OPTION_NO_START: choice->no_start = true; return 0;
    case 'y': choice->yes = true; return 0;
    case 'n': choice->dry_run = true; return 0;
    case 'j': choice->json = true; return 0;
    case '?': return EX_USAGE;
    default: return take_relay_option(command, c, a);
    }
}

/* ---- what they mean together ---- */

static int wrong_provider(const Command *command, const char *name)
{
    char names[400] = "";
    const SetupProvider *one;
    size_t n = 0;

    for (unsigned i = 0; (one = setup_provider_at(i)) && n < sizeof(names); i++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i > 0 ? ", " : "", one->name);
    return tool_usage(command, "--provider %s: those that are known are %s", name, names);
}

static int take_provider(const Command *command, const SetupChoice *choice, SetupAnswers *a)
{
    const SetupProvider *provider = setup_provider_find(choice->provider);
    _cleanup_free_
    char *host = NULL;

    if (!provider)
        return wrong_provider(command, choice->provider);
    if (a->host)
        return tool_usage(command, "--provider and --relay exclude each other");
    if (provider->region && !choice->region)
        return tool_usage(
            command, "--provider %s wants --region, such as %s", provider->name, provider->region);
    if (choice->region && (!provider->region || !setup_region_is_good(choice->region)))
        return tool_usage(command, "--region %s: %s", choice->region,
            provider->region ? "a region has letters, digits and hyphens alone"
                             : "that provider has none");
    host = setup_provider_host(provider, choice->region);
    if (!host)
        return -ENOMEM;
    a->provider = provider;
    a->port = a->port ?: provider->port;
    return setup_set(&a->host, host) ?: (a->tls ? 0 : setup_set(&a->tls, provider->tls))
               ?: (a->user ? 0 : setup_set(&a->user, provider->user));
}

/* The first line, of which only a copy that is wiped again is made. */
static int read_password(const char *path, SetupAnswers *a)
{
    bool standard_input = strcmp(path, "-") == 0;
    _cleanup_(setup_wipe) Buffer text = {0};
    const char *end;
    size_t n;
    int r = standard_input ? file_read_all(STDIN_FILENO, PASSWORD_MAX, &text)
                           : file_load(AT_FDCWD, path, PASSWORD_MAX, &text);

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return tool_fail_number(ERROR_FILE, "--password-file %s: %s", path, file_trouble(r));
    end = memchr(buffer_data(&text) ?: "", '\n', buffer_size(&text));
    n = end ? (size_t)(end - buffer_data(&text)) : buffer_size(&text);
    n -= n > 0 && buffer_data(&text)[n - 1] == '\r';
    if (n > 0 && memchr(buffer_data(&text), '\0', n))
        return tool_fail_number(
            ERROR_FILE, "--password-file %s: no password has a byte 0 in it", path);
    if (n > 0)
        a->password = secret_new(buffer_data(&text), n);
    if (n == 0)
        return tool_fail_number(ERROR_FILE,
            "--password-file %s: its first line, which is to be the "
            "password, is empty",
            path);
    return a->password ? 0 : -ENOMEM;
}

static int settle(const Command *command, char **arguments, SetupChoice *choice, SetupAnswers *a)
{
    int r = 0;

    if (arguments[0] && arguments[1])
        return tool_usage(command, "%s: one address at most is wanted", arguments[1]);
    if (arguments[0])
        r = take_address(command, "ADDRESS", arguments[0], &a->address);
    if (r == 0 && a->address && (choice->provider || a->host) && !a->user)
        r = setup_set(&a->user, choice->provider && setup_provider_find(choice->provider) &&
                                        setup_provider_find(choice->provider)->user
                                    ? ""
                                    : a->address);
    if (r == 0 && choice->provider)
        r = take_provider(command, choice, a);
    else if (r == 0 && choice->region)
        r = tool_usage(command, "--region goes with --provider");
    if (r == 0 && choice->json && !choice->yes && !choice->dry_run)
        r = tool_usage(command, "--json goes with --yes or --dry-run: nothing is asked then");
    if (r == 0 && choice->password_file &&
        !(strcmp(choice->password_file, "-") == 0 && setup_can_ask()))
        r = read_password(choice->password_file, a);
    return r;
}

int setup_options_read(
    const Command *command, int argc, char **argv, SetupChoice *choice, SetupAnswers *answers)
{
    int c, r = 0;

    while (r == 0 && (c = tool_getopt(command, argc, argv)) >= 0)
        r = take_option(command, c, choice, answers);
    if (r == 0)
        r = settle(command, argv + optind, choice, answers);
    return r == -ENOMEM ? tool_fail_memory() : r;
}
