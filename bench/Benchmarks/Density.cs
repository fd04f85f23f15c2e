using System.Diagnostics;
using System.Globalization;
using Atoll.Contracts;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Benchmarks;

/// <summary>What one more model in memory costs the process, and how soon it is there.</summary>
internal static class Density
{
    private const long BytesMax = 20L << 30;
    private const int ResidentMin = 300_000;

    public static bool Run(BenchmarkArguments arguments)
    {
        var models = int.Parse(arguments["--models"] ?? "1000000", CultureInfo.InvariantCulture);
        var (name, model) = SmallModels.All()[0];
        var sound = ServingForm.Make(model, CancellationToken.None).ToBytes();
        // Every model is read from bytes of its own, as from the blob store, and has weights of its own.
        ModelLoader loader = (key, _) =>
        {
            var bytes = (byte[])sound.Clone();
            BitConverter.TryWriteBytes(bytes.AsSpan(^4), float.Parse(key.Digest, CultureInfo.InvariantCulture));
            return Task.FromResult(new ModelContent(ServingPack.Read(bytes), Signature()));
        };
        Console.WriteLine($"{name}; ten models a tenant, read from their files' bytes, in one process.");
        Console.WriteLine();
        Console.WriteLine("| models in memory | process, bytes a model | counted by the cache | of it collected memory | loaded a second | answers checked |");
        Console.WriteLine("|---|---|---|---|---|---|");
        var cache = new ModelCache(new ModelCacheOptions { CacheBytesMax = BytesMax, LoadsMax = 2 }, TimeProvider.System);
        Fill(cache, loader, 0, 100);
        var (resident, managed) = Measure();
        var loaded = 100;
        double perModel = 0;
        foreach (var count in new[] { 10_000, 100_000, 1_000_000 }.Where(count => count <= models))
        {
            var clock = Stopwatch.StartNew();
            Fill(cache, loader, loaded, count);
            var rate = (count - loaded) / clock.Elapsed.TotalSeconds;
            loaded = count;
            var (residentNow, managedNow) = Measure();
            perModel = (double)(residentNow - resident) / (count - 100);
            var snapshot = cache.Snapshot();
            if (snapshot.Models != count) throw new InvalidOperationException($"{snapshot.Models} models are in memory, not {count}.");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {count:N0} | {perModel:N0} | {(double)snapshot.Bytes / count:N0} | {(double)(managedNow - managed) / (count - 100):N0} | {rate:N0} | {Check(cache, loader, count)} |"));
        }
        cache.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return loaded < ResidentMin || perModel * loaded <= BytesMax;
    }

    private static void Fill(ModelCache cache, ModelLoader loader, int from, int to)
    {
        for (var i = from; i < to; i++) cache.GetAsync(KeyOf(i), loader, CancellationToken.None).AsTask().GetAwaiter().GetResult().Dispose();
    }

    /// <summary>Some of the models answer with their own weights.</summary>
    private static int Check(ModelCache cache, ModelLoader loader, int count)
    {
        const int checks = 100;
        using var x = OnnxTensor.Allocate<float>(1, SmallModels.Features);
        x.Span<float>().Clear();
        for (var i = 0; i < checks; i++)
        {
            var number = (int)((long)i * count / checks);
            using var lease = cache.GetAsync(KeyOf(number), loader, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            using var y = lease.Session.Run(x)[0];
            var expected = 1 / (1 + Math.Exp(-(double)float.Parse(KeyOf(number).Digest, CultureInfo.InvariantCulture)));
            if (Math.Abs(y.Span<float>()[0] - expected) > 1e-5) throw new InvalidOperationException($"Model {number} answers {y.Span<float>()[0]}, not {expected}.");
        }
        return checks;
    }

    // The digest is the bias, by which a model can be told from the others.
    private static ModelKey KeyOf(int number) => new($"tenant-{number / 10}", (number * 1e-6).ToString("R", CultureInfo.InvariantCulture));

    private static ModelSignature Signature() => new()
    {
        Task = TaskKinds.Classification, SampleType = DatasetTypes.Tabular, Labels = ["no", "yes"],
        Inputs = [new TensorSpec { Name = "x", Datatype = "FP32", Shape = [-1, SmallModels.Features] }], Outputs = [new TensorSpec { Name = "y", Datatype = "FP32", Shape = [-1, 1] }],
    };

    private static (long Resident, long Managed) Measure()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return (CacheBudget.ResidentBytes(), GC.GetTotalMemory(forceFullCollection: true));
    }
}
