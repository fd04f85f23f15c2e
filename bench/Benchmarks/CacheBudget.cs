using System.Diagnostics;
using System.Globalization;
using Atoll.Contracts;
using Atoll.Serving;
using Atoll.Serving.Splitting;

namespace Atoll.Benchmarks;

/// <summary>Drives the model cache at the edge of its budget with models of all sizes, and reads what the process really takes.</summary>
internal static class CacheBudget
{
    private const long Budget = 512L << 20;
    private const int Models = 20_000;

    // What the process may take beside the budget: the collector's heap, code, and what the allocator holds between two trims.
    private const long BesideMax = 192L << 20;

    public static bool Run(BenchmarkArguments arguments)
    {
        var seconds = int.Parse(arguments["--seconds"] ?? "120", CultureInfo.InvariantCulture);
        var packs = Packs();
        var signature = new ModelSignature { Task = "", SampleType = "", Inputs = [], Outputs = [] };
        ModelLoader loader = (key, _) =>
        {
            var pack = packs[int.Parse(key.Digest, CultureInfo.InvariantCulture) % packs.Length];
            return Task.FromResult(new ModelContent(pack, signature) { TenantBytesMin = 1 << 20 });
        };
        var keys = Enumerable.Range(0, Models).Select(i => new ModelKey($"tenant-{i % 500}", i.ToString(CultureInfo.InvariantCulture))).ToArray();
        GC.Collect();
        var before = ResidentBytes();
        var cache = new ModelCache(new ModelCacheOptions { CacheBytesMax = Budget, LoadsMax = 2 }, TimeProvider.System);
        var clock = Stopwatch.StartNew();
        long mostCounted = 0, mostResident = 0, operations = 0;
        var workers = Enumerable.Range(0, 2).Select(worker => Task.Run(async () =>
        {
            var random = new Random(worker);
            while (clock.Elapsed.TotalSeconds < seconds)
            {
                // Half of the requests are for a tenth of the models.
                var model = random.Next(2) == 0 ? random.Next(Models / 10) : random.Next(Models);
                try
                {
                    (await cache.GetAsync(keys[model], loader, CancellationToken.None)).Dispose();
                }
                catch (ModelCacheFullException)
                {
                    // Two models in use at the same time may be all that there is room for.
                }
                if (Interlocked.Increment(ref operations) % 64 == 0) mostCounted = Math.Max(mostCounted, cache.Snapshot().Bytes);
            }
        })).ToArray();
        while (!Task.WaitAll(workers, 250)) mostResident = Math.Max(mostResident, ResidentBytes() - before);
        var snapshot = cache.Snapshot();
        Console.WriteLine("| seconds | requests | loads | evictions | counted at most, MiB | budget, MiB | resident at most beyond the start, MiB | may be |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {seconds} | {operations:N0} | {snapshot.Loads:N0} | {snapshot.Evictions:N0} | {mostCounted >> 20} | {Budget >> 20} | {mostResident >> 20} | {(Budget + BesideMax) >> 20} |"));
        cache.DisposeAsync().AsTask().GetAwaiter().GetResult();
        NativeHeap.Trim();
        GC.Collect();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"After the cache was closed: {(ResidentBytes() - before) >> 20} MiB beyond the start."));
        return mostCounted <= Budget && mostResident <= Budget + BesideMax;
    }

    private static ServingPack[] Packs()
    {
        var packs = new List<ServingPack>();
        foreach (var (_, model) in SmallModels.All())
        {
            var shared = ServingForm.Make(model, CancellationToken.None);
            packs.Add(shared);
            // The same with a session of its own.
            packs.Add(ServingForm.Own(Serving.Onnx.OnnxOptimizer.Optimize(model), ""));
        }
        return [.. packs];
    }

    internal static long ResidentBytes()
    {
        foreach (var line in File.ReadLines("/proc/self/status"))
            if (line.StartsWith("VmRSS:", StringComparison.Ordinal)) return long.Parse(line.AsSpan(6, line.Length - 8).Trim(), CultureInfo.InvariantCulture) * 1024;
        throw new PlatformNotSupportedException("This benchmark reads /proc/self/status.");
    }
}
