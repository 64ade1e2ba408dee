/* What the daemon's unit gives to the daemon, for another process. */
#pragma once

#include "tool/command.h"

#define CHECK_UNIT "outboxd.service"
#define CHECK_UNIT_VARIABLE "OUTBOX_CHECK_UNIT" /* is set for that process */

/* The lines of the unit's [Service] section, drop-ins included, as systemd(1) would have them, made
 * arguments of systemd-run(1). Pure, but for memory. */
typedef struct UnitSettings {
    char **arguments; /* "--property=NAME=VALUE", NULL-terminated; owned */
    size_t n;
    char *left_out; /* names of settings that another unit cannot be given; NULL: none */
    char *config;   /* what --config names where the daemon is started; NULL: nothing */
} UnitSettings;
void unit_settings_done(UnitSettings *settings);

/* Of what `systemctl cat` prints. 0 or -ENOMEM. */
int unit_settings_parse(const char *text, size_t n, UnitSettings *ret);

/* (check_unit_run.c) Of the machine's unit: 1; 0 where there is none, or systemd is not what runs
 * the machine; or -ENOMEM. */
int unit_settings_load(UnitSettings *ret);

/* (check_unit_run.c) Runs the command in a unit with these settings, its streams ours. Its exit
 * status; -1 when systemd-run would not, which has said why on standard error. */
int check_unit_run(const UnitSettings *settings, const Tool *tool, int argc, char **argv);
