/* shapes.h: what the specs of many dynamic children have in common, kept once.
 *
 * A shape is a spec without id, name and argument. Children that were started from the same text share one; it lives as
 * long as any of them. Only the shapes used last are compared, so that a search has a bound: equal ones may exist
 * twice. */
#ifndef TROUPE_BEHAVIOURS_SHAPES_H
#define TROUPE_BEHAVIOURS_SHAPES_H

#include "spec.h"

struct shape {
    struct shape *before, *after;
    size_t users;
    struct spec spec; /* its extra follows */
};

struct shapes {
    struct shape *latest;
};

/* The shape of a spec, with one user more; NULL: no memory. */
const struct spec *shape_take(struct shapes *shapes, const struct spec *spec);
/* One user less: what shape_take returned. */
void shape_drop(struct shapes *shapes, const struct spec *spec);

#endif
