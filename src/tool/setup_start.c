/* The daemon, once there is a configuration for it. Must never touch one that reads another. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "settings/command.h"
#include "settings/load.h"
#include "spool/presence.h"
#include "tool/check_unit.h"
#include "tool/servers.h"
#include "tool/setup.h"

#define LIMIT (90 * USEC_PER_SEC) /* what systemd gives a service to start */
#define SAID_MAX ((size_t)64 * 1024)

static int run(const char *command, Failure *f)
{
    static const CommandUse use = COMMAND_USE("the command", "start the daemon and exit");
    _cleanup_buffer_ Buffer said = {0};

    return command_run(command, &use, LIMIT, SAID_MAX, &said, NULL, NULL, f);
}

static bool is_active(void)
{
    _cleanup_failure_ Failure f = {0};

    return run("systemctl is-active --quiet " CHECK_UNIT, &f) == 0;
}

int setup_start(const SetupPlace *place, SetupDone *done, Failure *f)
{
    _cleanup_(unit_settings_done) UnitSettings unit = {0};
    bool credential = place->credential && done->wrote_secret;
    int r = geteuid() == 0 && place->is_default ? unit_settings_load(&unit) : 0;
    bool active;

    if (r <= 0 || (unit.config && strcmp(unit.config, place->config) != 0))
        return r;
    active = is_active();
    if (active &&
        (done->wrote_config || done->wrote_secret)) /* a credential is loaded at the start alone */
        r = run(credential ? "systemctl restart " CHECK_UNIT : "systemctl reload " CHECK_UNIT, f);
    if (active && r < 0)
        return r;
    r = run("systemctl enable --now " CHECK_UNIT, f);
    if (r < 0)
        return r;
    done->daemon = strdup(!active                                    ? "started"
                          : credential                               ? "restarted"
                          : done->wrote_config || done->wrote_secret ? "reloaded"
                                                                     : "running");
    return done->daemon ? 1 : -ENOMEM;
}

/* Whoever empties the queue once is no daemon: a signal to read the configuration would end it. */
static long find_daemon(const Spool *spool)
{
    _cleanup_(servers_done) Servers servers = {0};
    size_t passing = 0;
    long daemon = 0;

    if (servers_look(spool, &servers) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < servers.n; i++)
        if (json_is_true(json_object_get(servers.live[i], "passing")))
            passing++;
        else if (daemon == 0)
            daemon = (long)servers_number(servers.live[i], "pid");
    return passing > 0 ? daemon : presence_find_process(spool);
}

long setup_find_daemon(const SetupPlace *place, Failure *f)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_(spool_free_p) Spool *spool = NULL;
    int r = config_load(place->config, NULL, &config, f);

    if (r >= 0 && config->spool.database)
        return 0;
    if (r >= 0)
        r = spool_open_to_read(config->spool.directory, &spool, f);
    return r < 0 ? r : find_daemon(spool);
}
