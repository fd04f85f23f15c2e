using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Limits;
using Atoll.Registry;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Atoll.Benchmarks;

/// <summary>What a prediction of one row costs the server beside a request that does nothing, over HTTP, in the same process and run.</summary>
internal static class PredictOverhead
{
    private const int Columns = 20;
    private const int Requests = 4000;
    private const int Rounds = 5;

    public static bool Run() => RunAsync().GetAwaiter().GetResult();

    private static async Task<bool> RunAsync()
    {
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            await using var server = await AtollServer.StartAsync([$"--Atoll:Data={folder}", "--Atoll:Urls=http://127.0.0.1:0"]);
            await RegisterAsync(server.Services);
            await using var empty = await StartEmptyAsync();
            using var handler = new SocketsHttpHandler();
            using var client = new HttpClient(handler);
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", server.FirstKey);

            var row = string.Join(',', Enumerable.Range(0, Columns).Select(i => string.Create(CultureInfo.InvariantCulture, $"\"c{i}\":{i * 1.5}")));
            var one = $$"""{"rows":[{{{row}}}]}""";
            var many = $$"""{"rows":[{{string.Join(',', Enumerable.Repeat($"{{{row}}}", 100))}}]}""";
            var inputs = string.Join(',', Enumerable.Range(0, Columns).Select(i => $$"""{"name":"c{{i}}","shape":[1,1],"datatype":"FP32","data":[{{i}}]}"""));
            var cases = new (string Name, string Url, string Body)[]
            {
                ("an empty route of a bare server", empty.Urls.First() + "/", one),
                ($":predict, 1 row of {Columns} columns", server.Address + "/api/v1/endpoints/bench:predict", one),
                ($":predict, 100 rows of {Columns} columns", server.Address + "/api/v1/endpoints/bench:predict", many),
                ($"/v2 infer, 1 row of {Columns} inputs", server.Address + "/v2/models/bench/infer", $$"""{"inputs":[{{inputs}}]}"""),
            };

            Console.WriteLine($"One connection, one request after the other; client and server share the process. Fastest of {Rounds} rounds of {Requests}.");
            Console.WriteLine();
            Console.WriteLine("| request | time, us | CPU, us | bytes allocated | time beside the empty route |");
            Console.WriteLine("|---|---|---|---|---|");
            var results = cases.Select(_ => (Time: double.MaxValue, Cpu: double.MaxValue, Bytes: double.MaxValue)).ToArray();
            for (var round = 0; round <= Rounds; round++)
            {
                for (var i = 0; i < cases.Length; i++)
                {
                    var (time, cpu, bytes) = await MeasureAsync(client, cases[i].Url, Encoding.UTF8.GetBytes(cases[i].Body));

                    // The first round warms up.
                    if (round > 0) results[i] = (Math.Min(results[i].Time, time), Math.Min(results[i].Cpu, cpu), Math.Min(results[i].Bytes, bytes));
                }
            }
            for (var i = 0; i < cases.Length; i++)
            {
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {cases[i].Name} | {results[i].Time:F0} | {results[i].Cpu:F0} | {results[i].Bytes:F0} | {results[i].Time / results[0].Time:F2} |"));
            }
            return true;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(double Time, double Cpu, double Bytes)> MeasureAsync(HttpClient client, string url, byte[] body)
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        var allocated = GC.GetTotalAllocatedBytes();
        var cpu = process.TotalProcessorTime;
        var started = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < Requests; i++)
        {
            using var content = new ByteArrayContent(body);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var answer = await client.PostAsync(url, content);
            if (answer.StatusCode != HttpStatusCode.OK) throw new InvalidOperationException(await answer.Content.ReadAsStringAsync());
        }
        var time = TimeProvider.System.GetElapsedTime(started).TotalMicroseconds;
        process.Refresh();
        return (time / Requests, (process.TotalProcessorTime - cpu).TotalMicroseconds / Requests, (GC.GetTotalAllocatedBytes() - allocated) / (double)Requests);
    }

    /// <summary>Reads the body and answers a few bytes: what no server can do without.</summary>
    private static async Task<WebApplication> StartEmptyAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.Run(async context =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
            context.Response.ContentLength = 2;
            await context.Response.Body.WriteAsync("{}"u8.ToArray(), context.RequestAborted);
        });
        await app.StartAsync();
        return app;
    }

    private static async Task RegisterAsync(IServiceProvider services)
    {
        const string tenantId = Tenancy.Tenant.PlatformId;
        var clock = services.GetRequiredService<TimeProvider>();
        var blobs = services.GetRequiredService<BlobStore>();
        await using var scope = services.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var artifact = await blobs.WriteAsync(tenantId, Model(), CancellationToken.None);
        var pack = ServingForm.Make(Model(), CancellationToken.None);
        var serving = await blobs.WriteAsync(tenantId, pack.ToBytes(), CancellationToken.None);
        var report = await blobs.WriteAsync(tenantId, "{}"u8.ToArray(), CancellationToken.None);
        var signature = new ModelSignature
        {
            Task = TaskKinds.Classification,
            SampleType = DatasetTypes.Tabular,
            Inputs = [.. Enumerable.Range(0, Columns).Select(i => new TensorSpec { Name = $"c{i}", Datatype = "FP32", Shape = [-1, 1], ColumnType = ColumnTypes.Number, Example = "1" })],
            Outputs = [new TensorSpec { Name = "label", Datatype = "BYTES", Shape = [-1] }, new TensorSpec { Name = "probabilities", Datatype = "FP32", Shape = [-1, 2] }],
            Labels = ["no", "yes"],
        };
        var (model, _) = await RegisterModelVersion.RunAsync(
            new RegisterModelVersion.Registration("bench", artifact, serving, pack.GraphDigest, report, "logistic regression", signature, new Dictionary<string, double>(), new ModelLineage
            {
                Run = "run_bench", Dataset = "none", DatasetVersion = 1, DatasetDigest = artifact.Digest, Recipe = "none", Seed = 1, CodeVersion = "0", Machine = "any",
            }),
            new TenantLimits(), db, clock, CancellationToken.None);
        await EnsureEndpoint.RunAsync(model, db, clock, CancellationToken.None);
        await db.SaveChangesAsync();
        services.GetRequiredService<RegistryChanges>().Publish(tenantId, "bench");
    }

    private static byte[] Model()
    {
        var graph = new OnnxGraphBuilder("bench");
        var columns = Enumerable.Range(0, Columns).Select(i => graph.Input($"c{i}", TensorElementType.Float, "N", 1)).ToArray();
        var x = graph.Node("Concat", columns, OnnxGraphBuilder.Attribute("axis", 1L));
        var yes = graph.Node("Sigmoid", [graph.Node("Gemm", [x, graph.Constant("w", Enumerable.Repeat(0.01f, Columns).ToArray(), Columns, 1), graph.Constant("b", [0f], 1)])]);
        var no = graph.Node("Sub", [graph.Scalar("one", 1f), yes]);
        var probabilities = graph.Node("Concat", [no, yes], OnnxGraphBuilder.Attribute("axis", 1L));
        var best = graph.Node("ArgMax", [probabilities], OnnxGraphBuilder.Attribute("axis", 1L), OnnxGraphBuilder.Attribute("keepdims", 0L));
        graph.Output("label", graph.Node("Gather", [graph.Constant("labels", (string[])["no", "yes"]), best]), TensorElementType.String, "N");
        graph.Output("probabilities", probabilities, TensorElementType.Float, "N", 2);
        return graph.ToBytes();
    }
}
