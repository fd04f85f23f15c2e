using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using Atoll.Cli.Load;

namespace Atoll.Benchmarks;

/// <summary>From the start of the process to the first prediction with very many deployed models, and what a deployed model costs that is not in memory.</summary>
internal static partial class ServerStart
{
    private const double BarSeconds = 5;
    private const int Called = 100;

    public static async Task<bool> RunAsync(BenchmarkArguments arguments)
    {
        var most = arguments.Number("--models", 1_000_000);
        var starts = arguments.IsSmoke ? 1 : 3;
        var model = SmallModels.Served()[0];
        Console.WriteLine($"{Machine.Describe()}. {DeployedModels.PerTenant} models of a tenant, {model.Title}; the slowest of {starts} starts each. Bar: {BarSeconds:0} s.");
        Console.WriteLine();
        Console.WriteLine("| deployed models | tenants | database, bytes a model | start, s | first prediction, s | the same, files not in the system's memory, s | bar, s | process then, MB | with 1,000 routes known, MB | one of these, bytes |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        var met = true;
        foreach (var count in (int[])[10_000, 100_000, 1_000_000])
            if (count <= most) met &= await MeasureAsync(model, count, starts);
        return met || arguments.IsSmoke;
    }

    private static async Task<bool> MeasureAsync(ServedModel model, int count, int starts)
    {
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            var tenants = count / DeployedModels.PerTenant;
            var called = Enumerable.Range(0, Called).Select(i => (int)((long)i * tenants / Called)).ToList();
            var keys = await DeployedModels.FillAsync(folder, model, count, called);
            var database = new FileInfo(Path.Combine(folder, "atoll.db"));
            var body = model.Body(LoadProtocol.Rest, 1).Bytes;
            var (ready, first, dropped) = (new List<double>(), new List<double>(), new List<double>());
            double memory = 0, memoryThen = 0;
            for (var i = 0; i < starts * 2; i++)
            {
                // In turns, so that the second kind finds nothing of the first.
                var isDropped = i % 2 == 1;
                if (isDropped) Drop(database.FullName);
                var clock = Stopwatch.StartNew();
                await using var server = await BenchServer.StartAsync(folder);
                if (!isDropped) ready.Add(clock.Elapsed.TotalSeconds);
                using var client = new HttpClient { BaseAddress = server.Address };
                await PredictAsync(client, keys[i], 7, body);
                (isDropped ? dropped : first).Add(clock.Elapsed.TotalSeconds);
                if (isDropped) continue;
                memory = server.ResidentBytes / 1e6;
                foreach (var key in keys)
                    for (var m = 0; m < DeployedModels.PerTenant; m++) await PredictAsync(client, key, m, body);
                memoryThen = server.ResidentBytes / 1e6;
            }
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {count:N0} | {tenants:N0} | {(double)database.Length / count:N0} | {ready.Max():F2} | {first.Max():F2} | {(OperatingSystem.IsLinux() ? dropped.Max() : double.NaN):F2} | {BarSeconds:0} | {memory:N0} | {memoryThen:N0} | {(memoryThen - memory) * 1e6 / (Called * DeployedModels.PerTenant):N0} |"));
            return first.Max() <= BarSeconds && dropped.Max() <= BarSeconds;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task PredictAsync(HttpClient client, string key, int model, byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/v2/models/model-{model}/infer") { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using var answer = await client.SendAsync(request);
        if (answer.StatusCode != HttpStatusCode.OK) throw new InvalidOperationException($"{answer.StatusCode}: {await answer.Content.ReadAsStringAsync()}");
    }

    /// <summary>Lets the system forget what it read of a file, as after a boot.</summary>
    private static void Drop(string file)
    {
        if (!OperatingSystem.IsLinux()) return;
        using var handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        // Only what is on the disk can be forgotten.
        RandomAccess.FlushToDisk(handle);
        const int dontNeed = 4;
        if (Advise((int)handle.DangerousGetHandle(), 0, 0, dontNeed) != 0) throw new InvalidOperationException("The system does not let go of the file.");
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(int descriptor, long from, long length, int advice);
}
