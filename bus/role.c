#include "bus/role.h"

static enum role current_role = ROLE_NONE;

void role_set(enum role role)
{
    current_role = role;
}

enum role role_get(void)
{
    return current_role;
}
