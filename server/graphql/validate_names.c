#include "server/graphql/validate_names.h"

#include "server/graphql/name_map.h"
#include "server/graphql/region.h"

static bool are_few_different(const struct ast_text *names, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (ast_text_equals(names[i], names[j]))
                return false;
        }
    }
    return true;
}

/* Fills first[]; the number of different names, or 0: no memory. */
static uint32_t find_firsts(const struct ast_text *names, uint32_t count, struct region *region,
                            uint32_t *first)
{
    struct name_map map;
    uint32_t different = 0;

    name_map_init(&map, region);
    for (uint32_t i = 0; i < count; i++) {
        void **place = name_map_put(&map, names[i]);

        if (place == NULL)
            return 0;
        if (*place == NULL) {
            *place = &first[i];
            different++;
        }
        first[i] = (uint32_t)((uint32_t *)*place - first);
    }
    return different;
}

/* From first[] to members[] and starts[]: names counted, then placed. */
static void order_members(struct validate_groups *groups, uint32_t count, uint32_t *group_of)
{
    uint32_t group = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (groups->first[i] == i)
            group_of[i] = group++;
        groups->starts[group_of[groups->first[i]] + 1]++;
    }
    for (group = 0; group < groups->group_count; group++)
        groups->starts[group + 1] += groups->starts[group];
    for (uint32_t i = 0; i < count; i++)
        groups->members[groups->starts[group_of[groups->first[i]]]++] = i;
    for (group = groups->group_count; group > 0; group--)
        groups->starts[group] = groups->starts[group - 1];
    groups->starts[0] = 0;
}

/* From first[] and group_count to the rest. */
static bool place_members(struct validate_groups *groups, uint32_t count, struct region *region)
{
    uint32_t *group_of = region_alloc(region, count * sizeof *group_of);

    groups->members = region_alloc(region, count * sizeof *groups->members);
    groups->starts =
        region_alloc(region, ((size_t)groups->group_count + 1) * sizeof *groups->starts);
    if (groups->members == NULL || groups->starts == NULL || group_of == NULL)
        return false;
    order_members(groups, count, group_of);
    return true;
}

bool validate_names_group_all(const struct ast_text *names, uint32_t count, struct region *region,
                              struct validate_groups *ret_groups)
{
    ret_groups->first = region_alloc(region, count * sizeof *ret_groups->first);
    if (ret_groups->first == NULL)
        return false;
    ret_groups->group_count = find_firsts(names, count, region, ret_groups->first);
    return ret_groups->group_count > 0 && place_members(ret_groups, count, region);
}

bool validate_names_group(const struct ast_text *names, uint32_t count, struct region *region,
                          struct validate_groups *ret_groups)
{
    if (count <= VALIDATE_NAMES_FEW && are_few_different(names, count))
        return false;
    return validate_names_group_all(names, count, region, ret_groups) &&
           ret_groups->group_count < count;
}
