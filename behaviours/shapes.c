/* shapes.c: shared specs. */
#include "shapes.h"

#include <string.h>

enum { COMPARED = 8 };

static const void *extra_of(const struct spec *spec) { return spec + 1; }

/* An extra is compared with its padding: what differs only there counts as another shape. */
static bool is_shape_of(const struct spec *shape, const struct spec *spec)
{
    return shape->size == spec_bare_size(spec) && shape->kind == spec->kind && shape->restart == spec->restart &&
           shape->significant == spec->significant && shape->shutdown_ms == spec->shutdown_ms &&
           memcmp(&shape->target, &spec->target, sizeof spec->target) == 0 &&
           memcmp(extra_of(shape), extra_of(spec), shape->size - sizeof *shape) == 0;
}

static void unlink_shape(struct shapes *shapes, struct shape *shape)
{
    *(shape->before == NULL ? &shapes->latest : &shape->before->after) = shape->after;
    if (shape->after != NULL)
        shape->after->before = shape->before;
}

static void link_shape(struct shapes *shapes, struct shape *shape)
{
    shape->before = NULL;
    shape->after = shapes->latest;
    if (shape->after != NULL)
        shape->after->before = shape;
    shapes->latest = shape;
}

static struct shape *make(const struct spec *spec)
{
    size_t size = spec_bare_size(spec);
    struct shape *shape = tr_alloc(offsetof(struct shape, spec) + size);
    if (shape == NULL)
        return NULL;
    memcpy(&shape->spec, spec, sizeof *spec);
    memcpy(&shape->spec + 1, spec + 1, size - sizeof *spec);
    shape->spec.size = (uint32_t)size;
    shape->spec.id = shape->spec.name = shape->spec.arg = shape->spec.arg_size = 0;
    return shape;
}

const struct spec *shape_take(struct shapes *shapes, const struct spec *spec)
{
    struct shape *shape = shapes->latest;
    for (int i = 0; shape != NULL && !is_shape_of(&shape->spec, spec); i++)
        shape = i < COMPARED ? shape->after : NULL;
    if (shape != NULL)
        unlink_shape(shapes, shape);
    else
        shape = make(spec);
    if (shape == NULL)
        return NULL;
    link_shape(shapes, shape);
    shape->users++;
    return &shape->spec;
}

void shape_drop(struct shapes *shapes, const struct spec *spec)
{
    struct shape *shape = (struct shape *)(void *)((char *)(uintptr_t)spec - offsetof(struct shape, spec));
    if (--shape->users > 0)
        return;
    unlink_shape(shapes, shape);
    tr_free(shape);
}
