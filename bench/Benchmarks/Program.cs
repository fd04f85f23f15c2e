using Atoll.Benchmarks;

return BenchmarkCommands.Run(args);
