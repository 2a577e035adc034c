"""The comparison with other runtimes, as a pipeline: workloads and sides -> runs -> figures -> table and page."""
