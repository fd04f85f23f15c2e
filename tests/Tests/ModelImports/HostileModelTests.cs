using System.Globalization;
using System.Net.Http.Json;
using Atoll.Contracts;
using Atoll.Platform.Grpc;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Tests.Platform.Grpc;

namespace Atoll.Tests.ModelImports;

/// <summary>Models that attack the server which takes them.</summary>
public sealed class HostileModelTests : IClassFixture<HostileModelTests.SmallServer>
{
    private readonly SmallServer _small;
    private readonly TestServer _server;

    public HostileModelTests(SmallServer small) => (_small, _server) = (small, small.Server);

    [Fact]
    public async Task An_endless_loop_is_stopped()
    {
        // Sound imports of the other tests must not run into this limit on a busy machine.
        var server = new TestServer { Settings = ["--ModelImports:SecondsMax=3"] };
        await using var stopping = server;
        await server.InitializeAsync();
        var (_, client) = await server.CreateTenantAsync();
        Assert.Contains("more than 3 seconds", await ModelImportTests.RefusedAsync(client, "loop", ForeignModels.EndlessLoop()));
        Assert.Empty((await client.GetFromJsonAsync("/api/v1/models", AtollJson.Default.PageModelResponse))!.Items);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(server.DataPath, "tmp")));
    }

    [Fact]
    public async Task A_memory_bomb_harms_only_the_process_that_tried_it()
    {
        var (_, client) = await _server.CreateTenantAsync();
        Assert.Contains("more than 400 MiB of memory", await ModelImportTests.RefusedAsync(client, "bomb", ForeignModels.MemoryBomb()));
        await ServesStillAsync();
        await ModelImportTests.ImportAsync(client, "sound", ForeignModels.Tensor());
    }

    [Fact]
    public async Task A_model_that_crashes_native_code_crashes_only_the_process_that_tried_it()
    {
        // A main thread has stack enough for this one, a thread of the server has not.
        var (_, client) = await _server.CreateTenantAsync();
        Assert.Contains("crashed the process that tried it", await ModelImportTests.RefusedAsync(client, "deep", ForeignModels.DeepTree(20_000)));
        await ServesStillAsync();
    }

    [Fact]
    public async Task A_model_that_never_ends_for_certain_inputs_is_stopped_when_they_come()
    {
        var (_, client) = await _server.CreateTenantAsync();
        await ModelImportTests.ImportAsync(client, "turns", ForeignModels.LoopOfInput());
        await ModelImportTests.InferAsync(client, "turns", """{"inputs":[{"name":"turns","datatype":"INT64","shape":[1],"data":[3]}]}""");

        using var endless = new StringContent("""{"inputs":[{"name":"turns","datatype":"INT64","shape":[1],"data":[9000000000000000000]}]}""");
        using var answer = await client.PostAsync("/v2/models/turns/infer", endless);
        Assert.Equal(System.Net.HttpStatusCode.GatewayTimeout, answer.StatusCode);
        Assert.Contains("took more than 1 seconds", await answer.Content.ReadAsStringAsync());

        using var grpc = new GrpcTestClient(_server.Server.Address, client.DefaultRequestHeaders.Authorization!.Parameter);
        var (_, told) = await grpc.CallAsync<ModelInferResponse>("/inference.GRPCInferenceService/ModelInfer", new ModelInferRequest
        {
            ModelName = "turns",
            Inputs = { new ModelInferRequest.Types.InferInputTensor { Name = "turns", Datatype = "INT64", Shape = { 1 }, Contents = new InferTensorContents { Int64Contents = { long.MaxValue } } } },
        });
        Assert.Equal(StatusCode.DeadlineExceeded, told.Status);
        Assert.Contains("Prediction:RunSecondsMax", told.Message);
        await ModelImportTests.InferAsync(client, "turns", """{"inputs":[{"name":"turns","datatype":"INT64","shape":[1],"data":[3]}]}""");
    }

    [Fact]
    public async Task A_cut_or_damaged_file_is_refused()
    {
        var (_, client) = await _server.CreateTenantAsync();
        var model = ForeignModels.Tensor();
        Assert.NotEmpty(await ModelImportTests.RefusedAsync(client, "cut", model[..(model.Length / 2)]));
        var flipped = (byte[])model.Clone();
        flipped[1] ^= 0x40;
        flipped[12] ^= 0x81;
        Assert.NotEmpty(await ModelImportTests.RefusedAsync(client, "flipped", flipped));
        await ServesStillAsync();
    }

    [Fact]
    public async Task Damaged_models_end_in_a_version_or_in_words()
    {
        // Those that the parser lets through reach native code.
        var (_, client) = await _server.CreateTenantAsync();
        var rounds = Math.Max(6, ModelFileFuzzTests.Rounds / 100);
        await Parallel.ForEachAsync(Enumerable.Range(0, rounds), new ParallelOptions { MaxDegreeOfParallelism = SmallServer.Slots, CancellationToken = TestContext.Current.CancellationToken }, async (seed, token) =>
        {
            var source = seed % 2 == 0 ? ForeignModels.DeepTree(6) : ForeignModels.ZipMap();
            using var form = ModelImportTests.Form(ModelFileFuzzTests.Damage(source, new Random(seed)), "damaged.onnx", null);
            using var answer = await client.PostAsync($"/api/v1/models/damaged-{seed}/versions?wait=true", form, token);
            var text = await answer.Content.ReadAsStringAsync(token);
            Assert.True((int)answer.StatusCode is 201 or 422, $"seed {seed}: {(int)answer.StatusCode} {text}");
        });
        await ServesStillAsync();
    }

    [Fact]
    public async Task The_process_that_tries_a_model_has_given_away_what_it_does_not_need()
    {
        if (!OperatingSystem.IsLinux()) Assert.Skip("Only Linux says what a process may do.");
        var (_, client) = await _server.CreateTenantAsync();
        using var answer = await client.PostAsync("/api/v1/models/loop/versions", ModelImportTests.Form(ForeignModels.EndlessLoop(), "loop.onnx", null));
        var import = (await answer.Content.ReadFromJsonAsync(AtollJson.Default.ModelImportResponse))!;
        while (import.Stage != "running it on made-up inputs")
        {
            Assert.False(ImportStates.IsEnded(import.State), import.Error);
            await Task.Delay(20, TestContext.Current.CancellationToken);
            import = (await client.GetFromJsonAsync($"/api/v1/model-imports/{import.Id}", AtollJson.Default.ModelImportResponse))!;
        }

        var worker = Directory.EnumerateDirectories("/proc").Where(folder => char.IsAsciiDigit(Path.GetFileName(folder)[0]) && Read(folder, "cmdline").Contains("import-worker\0" + _server.DataPath, StringComparison.Ordinal));
        var folder = Assert.Single(worker);
        foreach (var thread in Directory.EnumerateDirectories(Path.Combine(folder, "task")))
        {
            Assert.Contains("Seccomp:\t2", Read(thread, "status"));
            Assert.Contains("NoNewPrivs:\t1", Read(thread, "status"));
        }
        var limits = Read(folder, "limits").Split('\n');
        long LimitOf(string name) => long.Parse(limits.Single(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        Assert.Equal((400L << 20) + (1L << 30), LimitOf("Max data size"));
        Assert.Equal(400L << 20, LimitOf("Max file size"));
        Assert.Equal(0, LimitOf("Max core file size"));
        Assert.DoesNotContain("ATOLL_KEY", Read(folder, "environ"));

        using var cancelled = await client.PostAsync($"/api/v1/model-imports/{import.Id}:cancel", null);
        Assert.Equal(System.Net.HttpStatusCode.Accepted, cancelled.StatusCode);
        while (!ImportStates.IsEnded(import.State))
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
            import = (await client.GetFromJsonAsync($"/api/v1/model-imports/{import.Id}", AtollJson.Default.ModelImportResponse))!;
        }
        Assert.Equal(ImportStates.Cancelled, import.State);
        Assert.False(Directory.Exists(folder), "The process still runs.");
    }

    private static string Read(string folder, string file)
    {
        try
        {
            return File.ReadAllText(Path.Combine(folder, file));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private Task ServesStillAsync() =>
        ModelImportTests.InferAsync(_small.Client, "sound", """{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[1,1,2]}]}""");

    /// <summary>A server that gives imports little, and has a sound model.</summary>
    public sealed class SmallServer : IAsyncLifetime
    {
        internal const int Slots = 2;

        internal TestServer Server { get; } = new() { Settings = ["--ModelImports:MemoryMegabytesMax=400", "--Prediction:RunSecondsMax=1", $"--ModelImports:Slots={Slots}"] };

        /// <summary>Of the tenant with the sound model.</summary>
        internal HttpClient Client { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            await Server.InitializeAsync();
            (_, Client) = await Server.CreateTenantAsync();
            await ModelImportTests.ImportAsync(Client, "sound", ForeignModels.Tensor());
        }

        public ValueTask DisposeAsync()
        {
            Client.Dispose();
            return Server.DisposeAsync();
        }
    }
}
