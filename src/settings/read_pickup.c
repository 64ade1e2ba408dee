/* Pickup directories as groups. Must never judge more than what their text could not say. */
#include "settings/read_pickup.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "settings/table.h"

static int wrong(Failure *f, const char *what)
{
    return failure_set(f, -EINVAL, ERROR_CONFIGURATION, "%s", what);
}

static int append_text(const char *before, const config_setting_t *setting, Buffer *out, Failure *f)
{
    const char *text = config_setting_get_string(setting);

    if (config_setting_type(setting) != CONFIG_TYPE_STRING)
        return wrong(f, "is not text in quotes");
    if (strpbrk(text, ",;"))
        return wrong(f, "holds a comma or a semicolon, which stand between directories and what is "
                        "said of them: name one that has none");
    return buffer_append_string(out, before) ?: buffer_append_string(out, text);
}

static int append_member(const config_setting_t *member, Buffer *out, Failure *f)
{
    const char *name = config_setting_name(member);

    if (setting_name_equal(name, "directory"))
        return 0;
    if (setting_name_equal(name, "pattern"))
        return append_text(", pattern=", member, out, f);
    if (!setting_name_equal(name, "dot_stuffed"))
        return wrong(f, "is nothing that a pickup directory has: those have directory, pattern and "
                        "dot_stuffed");
    if (config_setting_type(member) != CONFIG_TYPE_BOOL)
        return wrong(f, "is neither true nor false");
    return config_setting_get_bool(member) ? buffer_append_string(out, ", dot_stuffed") : 0;
}

static int append_group(
    const config_setting_t *group, Buffer *out, const config_setting_t **ret_where, Failure *f)
{
    unsigned n = (unsigned)config_setting_length(group);
    const config_setting_t *directory = NULL;
    int r;

    for (unsigned i = 0; i < n; i++)
        if (setting_name_equal(config_setting_name(config_setting_get_elem(group, i)), "directory"))
            directory = config_setting_get_elem(group, i);
    if (!directory)
        return wrong(f, "has a group without a directory");
    *ret_where = directory;
    r = append_text("", directory, out, f);
    for (unsigned i = 0; r == 0 && i < n; i++) {
        *ret_where = config_setting_get_elem(group, i);
        r = append_member(*ret_where, out, f);
    }
    return r;
}

static int append_one(
    const config_setting_t *setting, Buffer *out, const config_setting_t **ret_where, Failure *f)
{
    *ret_where = setting;
    if (config_setting_is_group(setting))
        return append_group(setting, out, ret_where, f);
    if (config_setting_type(setting) != CONFIG_TYPE_STRING)
        return wrong(f, "holds what is neither a group nor a path in quotes");
    return buffer_append_string(out, config_setting_get_string(setting));
}

int read_pickup(
    const config_setting_t *setting, Buffer *ret, const config_setting_t **ret_where, Failure *f)
{
    int r = 0;

    if (config_setting_is_group(setting)) {
        r = append_one(setting, ret, ret_where, f);
        return r ?: buffer_append(ret, "", 1);
    }
    for (unsigned i = 0; r == 0 && i < (unsigned)config_setting_length(setting); i++) {
        r = i > 0 ? buffer_append_string(ret, "; ") : 0;
        if (r == 0)
            r = append_one(config_setting_get_elem(setting, i), ret, ret_where, f);
    }
    return r ?: buffer_append(ret, "", 1);
}
