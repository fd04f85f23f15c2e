using System.Diagnostics;
using System.Globalization;
using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Limits;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Benchmarks;

/// <summary>The first request to a model that is not in memory: read from the blob store, verified, bound, run.</summary>
internal static class Cold
{
    private const double BarMilliseconds = 10;

    public static async Task<bool> RunAsync(BenchmarkArguments arguments)
    {
        var count = arguments.Number("--models", 2_000);
        Console.WriteLine($"{count:N0} models each, asked for once in random order, one at a time. The files are in the system's page cache. Bar: the 99th percentile of shared models below 100 KiB.");
        Console.WriteLine();
        Console.WriteLine("| model | file, KiB | first answer, ms: median | 99th percentile | bar | a session of its own from bytes in memory: median | 99th percentile |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        var met = true;
        var root = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            using var folder = DataFolder.Open(Path.Combine(root, "data"));
            var blobs = new BlobStore(folder, new DiskUsage(folder, _ => new TenantLimits()));
            foreach (var (name, model) in SmallModels.All())
            {
                var pack = ServingForm.Make(model, CancellationToken.None);
                var digests = new string[count];
                for (var i = 0; i < count; i++) digests[i] = (await blobs.WriteAsync("tenant", WithOwnWeights(pack, i).ToBytes(), CancellationToken.None)).Digest;
                var (median, high) = await FirstAnswersAsync(blobs, digests);
                var (ownMedian, ownHigh) = Sessions(model, Math.Min(count, 300));
                var bytes = pack.ToBytes().Length;
                // The bar is for small models.
                var hasBar = bytes < 100 << 10;
                met &= !hasBar || high <= BarMilliseconds;
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {name} | {bytes / 1024.0:F1} | {median:F3} | {high:F3} | {(hasBar ? BarMilliseconds : "")} | {ownMedian:F3} | {ownHigh:F3} |"));
            }
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
        return met || arguments.IsSmoke;
    }

    private static ServingPack WithOwnWeights(ServingPack pack, int number)
    {
        var last = pack.Weights[^1];
        var bytes = last.Bytes.ToArray();
        // The end of the last tensor: a bias, or the value of the last leaf, behind which its marks stand.
        BitConverter.TryWriteBytes(bytes.AsSpan(last.Type == TensorElementType.UInt8 ? ^8 : ^4), number * 1e-6f);
        return pack with { Weights = [.. pack.Weights.SkipLast(1), last with { Bytes = bytes }] };
    }

    private static async Task<(double Median, double High)> FirstAnswersAsync(BlobStore blobs, string[] digests)
    {
        var signature = new ModelSignature { Task = "", SampleType = "", Inputs = [], Outputs = [] };
        ModelLoader loader = async (key, token) => new ModelContent(ServingPack.Read(await blobs.ReadAllAsync(key.Tenant, key.Digest, token)), signature);
        await using var cache = new ModelCache(new ModelCacheOptions { CacheBytesMax = 4L << 30 }, TimeProvider.System);
        // The graph is there once its first model was asked for; its cost is in the largest value.
        var order = digests.ToArray();
        new Random(5).Shuffle(order);
        var times = new List<double>();
        OnnxTensor? x = null;
        foreach (var digest in order)
        {
            var start = Stopwatch.GetTimestamp();
            using var lease = await cache.GetAsync(new ModelKey("tenant", digest), loader, CancellationToken.None);
            x ??= Input(lease.Session);
            foreach (var output in lease.Session.Run(x)) output.Dispose();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        x?.Dispose();
        return Percentiles(times);
    }

    private static (double Median, double High) Sessions(byte[] model, int count)
    {
        var optimised = OnnxOptimizer.Optimize(model);
        var times = new List<double>();
        for (var i = 0; i < count; i++)
        {
            var start = Stopwatch.GetTimestamp();
            using var session = OnnxSession.Load(optimised, new OnnxSessionOptions { Optimized = true });
            using var x = Input(session);
            foreach (var output in session.Run(x)) output.Dispose();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        return Percentiles(times);
    }

    private static OnnxTensor Input(OnnxSession session)
    {
        var x = OnnxTensor.Allocate<float>([1, .. session.Inputs[0].Shape[1..]]);
        x.Span<float>().Clear();
        return x;
    }

    private static (double Median, double High) Percentiles(List<double> times)
    {
        times.Sort();
        return (times[times.Count / 2], times[(int)(times.Count * 0.99)]);
    }
}
