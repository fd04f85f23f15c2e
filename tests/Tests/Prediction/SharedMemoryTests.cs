using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Platform.Grpc;
using Atoll.Prediction.OpenInference;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Serving.Onnx;
using Atoll.Tests.Platform.Grpc;
using Google.Protobuf;
using Microsoft.Extensions.DependencyInjection;
using InputTensor = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferInputTensor;
using RequestedOutput = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Atoll.Tests.Prediction;

/// <summary>System shared memory over both protocols, with files as clients make them; and what a client could do to the server or to another tenant with it.</summary>
public sealed partial class SharedMemoryTests : IClassFixture<SharedMemoryServer>, IAsyncLifetime
{
    private const string Service = "/inference.GRPCInferenceService/";

    private static readonly byte[] Numbers = [.. BitConverter.GetBytes(7L), .. BitConverter.GetBytes(-8L)];
    private static readonly byte[] Texts = [3, 0, 0, 0, .. "one"u8, 1, 0, 0, 0, 255];

    private readonly SharedMemoryServer _server;
    private readonly List<string> _files = [];

    public SharedMemoryTests(SharedMemoryServer server)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Shared memory is there on Linux only.");
        _server = server;
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var file in _files) File.Delete(file);
        await PostAsync("/v2/systemsharedmemory/unregister", null);
    }

    [Fact]
    public async Task Tensors_go_in_and_out_over_rest()
    {
        var (file, key) = Make([.. new byte[4], .. Numbers, 9, 0, .. Texts]);
        var (output, outputKey) = Make(new byte[100]);
        Assert.Equal((200, ""), await RegisterAsync("in", key, 4, 30));
        Assert.Equal((200, ""), await RegisterAsync("out", outputKey, 10, 90));
        var body = $$"""
            {"inputs":[{"name":"i","shape":[1,2],"datatype":"INT64",{{Place("in", 16)}}},{"name":"b","shape":[1,2],"datatype":"BOOL",{{Place("in", 2, 16)}}},{"name":"s","shape":[1,2],"datatype":"BYTES",{{Place("in", 12, 18)}}}],
             "outputs":[{"name":"s_out",{{Place("out", 40, 20)}}},{"name":"b_out"},{"name":"i_out",{{Place("out", 16)}}}]}
            """;

        // Again and again: once the model is in memory, requests take a shorter way, which is not for these.
        for (var times = 0; times < 3; times++)
        {
            var (status, text) = await PostAsync("/v2/models/echo/infer", body);
            Assert.True(status == 200, text);
            Assert.Equal(
                """{"model_name":"echo","model_version":"1","outputs":[{"name":"s_out","datatype":"BYTES","shape":[1,2],"parameters":{"shared_memory_region":"out","shared_memory_byte_size":12,"shared_memory_offset":20}},"""
                + """{"name":"b_out","datatype":"BOOL","shape":[1,2],"data":[true,false]},"""
                + """{"name":"i_out","datatype":"INT64","shape":[1,2],"parameters":{"shared_memory_region":"out","shared_memory_byte_size":16,"shared_memory_offset":0}}]}""", text);
            var written = File.ReadAllBytes(output);
            Assert.Equal([.. new byte[10], .. Numbers, .. new byte[4], .. Texts, .. new byte[58]], written);
            File.WriteAllBytes(output, new byte[100]);
        }
        Assert.Equal(34, new FileInfo(file).Length);
        Assert.Equal($$"""[{"name":"in","key":"{{key}}","offset":4,"byte_size":30},{"name":"out","key":"{{outputKey}}","offset":10,"byte_size":90}]""", await GetAsync("/v2/systemsharedmemory/status"));
        Assert.Equal($$"""[{"name":"in","key":"{{key}}","offset":4,"byte_size":30}]""", await GetAsync("/v2/systemsharedmemory/region/in/status"));
        Assert.Contains("system_shared_memory", await GetAsync("/v2"));

        Assert.Equal((200, ""), await PostAsync("/v2/systemsharedmemory/region/in/unregister", null));
        Assert.Equal((200, ""), await PostAsync("/v2/systemsharedmemory/region/in/unregister", null));
        IsRefused(await PostAsync("/v2/models/echo/infer", body), 404, "Unable to find shared memory region: 'in'");
        using var gone = await _server.Client.GetAsync("/v2/systemsharedmemory/region/in/status", TestContext.Current.CancellationToken);
        Assert.Equal(404, (int)gone.StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tensors_go_in_and_out_over_grpc(bool isStream)
    {
        var (file, key) = Make([.. Numbers, .. new byte[40]]);
        await CallAsync<SystemSharedMemoryRegisterResponse>("SystemSharedMemoryRegister", new SystemSharedMemoryRegisterRequest { Name = "both", Key = key, ByteSize = 56 });
        var request = new ModelInferRequest
        {
            ModelName = "echo",
            Inputs =
            {
                new InputTensor { Name = "i", Datatype = "INT64", Shape = { 1, 2 }, Parameters = { Parameters("both", 16, null) } },
                new InputTensor { Name = "b", Datatype = "BOOL", Shape = { 1, 2 } },
                new InputTensor { Name = "s", Datatype = "BYTES", Shape = { 1, 2 } },
            },

            // Clients leave those out that lie in shared memory.
            RawInputContents = { ByteString.CopyFrom(1, 0), ByteString.CopyFrom(Texts) },
            Outputs = { new RequestedOutput { Name = "i_out", Parameters = { Parameters("both", 20, 16) } }, new RequestedOutput { Name = "s_out" } },
        };
        for (var times = 0; times < 3; times++)
        {
            ModelInferResponse answer;
            if (isStream)
            {
                using var stream = _server.Grpc.Open(Service + "ModelStreamInfer");
                await stream.WriteAsync(request);
                var streamed = (await stream.ReadAsync<ModelStreamInferResponse>())!;
                Assert.Equal("", streamed.ErrorMessage);
                answer = streamed.InferResponse;
            }
            else
            {
                answer = await CallAsync<ModelInferResponse>("ModelInfer", request);
            }
            Assert.Equal(("INT64", "1,2"), (answer.Outputs[0].Datatype, string.Join(',', answer.Outputs[0].Shape)));
            Assert.Equal(("both", 16L, 16L), (answer.Outputs[0].Parameters["shared_memory_region"].StringParam, answer.Outputs[0].Parameters["shared_memory_byte_size"].Int64Param, answer.Outputs[0].Parameters["shared_memory_offset"].Int64Param));
            Assert.Empty(answer.Outputs[1].Parameters);
            Assert.Equal([ByteString.Empty, ByteString.CopyFrom(Texts)], answer.RawOutputContents);
            Assert.Equal([.. Numbers, .. Numbers, .. new byte[24]], File.ReadAllBytes(file));
            File.WriteAllBytes(file, [.. Numbers, .. new byte[40]]);
        }
        var status = await CallAsync<SystemSharedMemoryStatusResponse>("SystemSharedMemoryStatus", new SystemSharedMemoryStatusRequest());
        Assert.Equal((key, 0UL, 56UL), Assert.Single(status.Regions) is var one ? (one.Value.Key, one.Value.Offset, one.Value.ByteSize) : default);
        await IsRefusedAsync("SystemSharedMemoryRegister", new SystemSharedMemoryRegisterRequest { Name = "both", Key = key, ByteSize = 56 }, StatusCode.AlreadyExists, "shared memory region 'both' already in manager");

        await CallAsync<SystemSharedMemoryUnregisterResponse>("SystemSharedMemoryUnregister", new SystemSharedMemoryUnregisterRequest());
        await IsRefusedAsync("SystemSharedMemoryStatus", new SystemSharedMemoryStatusRequest { Name = "both" }, StatusCode.NotFound, "Unable to find system shared memory region: 'both'");
        await IsRefusedAsync("ModelInfer", request, StatusCode.NotFound, "Unable to find shared memory region: 'both'");
    }

    public static TheoryData<string, int, string> WrongPlaces() => new()
    {
        { """{"shared_memory_region":"r"}""", 400, "input 'i' has no 'shared_memory_byte_size'" },
        { """{"shared_memory_byte_size":16}""", 400, "input 'i' has no 'shared_memory_region'" },
        { """{"shared_memory_region":"none","shared_memory_byte_size":16}""", 404, "Unable to find shared memory region: 'none'" },
        { """{"shared_memory_region":"r","shared_memory_byte_size":8}""", 400, "input byte size mismatch for input 'i' for model 'echo'. Expected 16, got 8" },
        { """{"shared_memory_region":"r","shared_memory_byte_size":17}""", 400, "input byte size mismatch" },
        { """{"shared_memory_region":"r","shared_memory_byte_size":16,"shared_memory_offset":25}""", 400, "Invalid offset + byte size for shared memory region: 'r'" },
        { """{"shared_memory_region":"r","shared_memory_byte_size":16,"shared_memory_offset":41}""", 400, "Invalid offset for shared memory region: 'r'" },
        { """{"shared_memory_region":"r","shared_memory_byte_size":18446744073709551615,"shared_memory_offset":1}""", 400, "Invalid offset + byte size for shared memory region: 'r'" },
        { """{"shared_memory_region":"r","shared_memory_byte_size":16,"shared_memory_offset":18446744073709551600}""", 400, "Invalid offset for shared memory region: 'r'" },
        { """{"shared_memory_region":"r","shared_memory_byte_size":16,"shared_memory_offset":-1}""", 400, "Unable to parse 'shared_memory_offset' of input 'i'" },
        { """{"shared_memory_region":"r","shared_memory_byte_size":"16"}""", 400, "Unable to parse 'shared_memory_byte_size' of input 'i'" },
        { """{"shared_memory_region":5,"shared_memory_byte_size":16}""", 400, "Unable to parse 'shared_memory_region' of input 'i'" },
        { """{"shared_memory_region":"r","shared_memory_byte_size":16,"binary_data_size":16}""", 400, "input 'i' has data in shared memory and in the request" },
    };

    [Theory]
    [MemberData(nameof(WrongPlaces))]
    public async Task Places_that_are_not_there_are_refused(string parameters, int status, string error)
    {
        var (_, key) = Make(new byte[44]);
        await RegisterAsync("r", key, 4, 40);
        IsRefused(await PostAsync("/v2/models/number/infer", $$"""{"inputs":[{"name":"i","shape":[1,2],"datatype":"INT64","parameters":{{parameters}}}]}"""), status, error.Replace("'echo'", "'number'", StringComparison.Ordinal));

        // The same over gRPC, where what has no form in protobuf cannot be said.
        var place = JsonNode.Parse(parameters)!.AsObject();
        if (place.Any(one => one.Key == "binary_data_size")) return;
        var request = new ModelInferRequest { ModelName = "number", Inputs = { new InputTensor { Name = "i", Datatype = "INT64", Shape = { 1, 2 } } } };
        foreach (var (name, value) in place)
        {
            request.Inputs[0].Parameters[name] = value!.GetValueKind() == System.Text.Json.JsonValueKind.String
                ? new InferParameter { StringParam = (string)value! }
                : value.AsValue().TryGetValue<ulong>(out var whole) ? new InferParameter { Uint64Param = whole } : new InferParameter { Int64Param = (long)value! };
        }
        var expected = error.Replace("'echo'", "'number'", StringComparison.Ordinal).Replace("Unable to parse", "unable to parse", StringComparison.Ordinal);
        await IsRefusedAsync("ModelInfer", request, status == 404 ? StatusCode.NotFound : StatusCode.InvalidArgument, expected);
    }

    [Fact]
    public async Task An_output_that_does_not_fit_is_refused_and_nothing_is_written()
    {
        var (file, key) = Make(new byte[64]);
        await RegisterAsync("r", key, 0, 64);
        foreach (var (place, error) in ((string, string)[])
        [
            (Place("r", 15), "shared memory size specified with the request for output 'i_out' (15 bytes) should be at least 16 bytes to hold the results"),
            (Place("r", 16, 49), "Invalid offset + byte size for shared memory region: 'r'"),
            (Place("r", ulong.MaxValue, 1), "Invalid offset + byte size for shared memory region: 'r'"),
        ])
            IsRefused(await PostAsync("/v2/models/number/infer", Number($"\"data\":[1,2]", place)), 400, error);
        Assert.Equal(new byte[64], File.ReadAllBytes(file));
    }

    [Fact]
    public async Task A_file_that_became_shorter_is_an_error_of_the_request_only()
    {
        var (file, key) = Make(new byte[64]);
        await RegisterAsync("r", key, 0, 64);
        using (var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite)) stream.SetLength(20);
        IsRefused(await PostAsync("/v2/models/number/infer", Number(Place("r", 16, 8))), 400, "shared memory region 'r' cannot be used");
        IsRefused(await PostAsync("/v2/models/number/infer", Number("\"data\":[1,2]", Place("r", 16, 8))), 400, "shared memory region 'r' cannot be used");
        Assert.Equal(20, new FileInfo(file).Length);
        Assert.Equal(200, (await PostAsync("/v2/models/number/infer", Number(Place("r", 16, 4), Place("r", 16)))).Status);
    }

    [Fact]
    public async Task Only_plain_files_that_are_named_after_the_tenant_are_opened()
    {
        var (file, key) = Make(new byte[64]);
        var (_, foreign) = Make(new byte[64], "tenant-9");
        string[] made = [Name(), Name(), Name()];
        File.CreateSymbolicLink("/dev/shm/" + made[0], file);
        _files.Add("/dev/shm/" + made[0]);
        Assert.Equal(0, link("/dev/shm" + foreign, "/dev/shm/" + made[1]));
        _files.Add("/dev/shm/" + made[1]);
        Assert.Equal(0, mkfifo("/dev/shm/" + made[2], 0x180));
        _files.Add("/dev/shm/" + made[2]);
        var tenant = _server.Tenant;
        foreach (var (one, error) in ((string, string)[])
        [
            (foreign, "is not one of this tenant's"),
            ("/etc/passwd", "is not one of this tenant's"),
            ($"/{tenant}.", "is not one of this tenant's"),
            ($"/{tenant}", "is not one of this tenant's"),
            ($"/{tenant}x.a", "is not one of this tenant's"),
            ($"//{tenant}.a", "is not one of this tenant's"),
            ($"/{tenant}./../{foreign[1..]}", "is not one of this tenant's"),
            ($"/{tenant}.a/../../../etc/passwd", "is not one of this tenant's"),
            ($"/{tenant}.a\\u0000b", "is not one of this tenant's"),
            ($"/{tenant}.none", "Unable to open shared memory region"),
            ("/" + made[0], "Unable to open shared memory region"),
            ("/" + made[1], "is not a plain file of one name"),
            ("/" + made[2], "is not a plain file of one name"),
        ])
            IsRefused(await RegisterAsync("r", one, 0, 8), 400, error);
        foreach (var (offset, size, error) in ((ulong, ulong, string)[])
        [
            (0, 65, "has 64 bytes, fewer than"), (65, 1, "has 64 bytes, fewer than"), (64, 1, "has 64 bytes, fewer than"), (0, 0, "'byte_size' is zero"),
            (1, ulong.MaxValue, "has 64 bytes, fewer than"), (ulong.MaxValue, 2, "has 64 bytes, fewer than"),
        ])
            IsRefused(await RegisterAsync("r", key, offset, size), 400, error);
        IsRefused(await PostAsync("/v2/systemsharedmemory/region/r/register", "[]"), 400, "expected an object");
        IsRefused(await PostAsync("/v2/systemsharedmemory/region/r/register", "{"), 400, "failed to parse the request JSON buffer");
        IsRefused(await PostAsync("/v2/systemsharedmemory/region/r/register", """{"byte_size":8}"""), 400, "Unable to parse 'key', expected a string");
        IsRefused(await PostAsync("/v2/systemsharedmemory/region/r/register", $$"""{"key":"{{key}}","byte_size":-8}"""), 400, "Unable to parse 'byte_size', expected a whole number");
        Assert.Equal("[]", await GetAsync("/v2/systemsharedmemory/status"));
        Assert.Equal((200, ""), await RegisterAsync("r", key[1..], 0, 64));
        IsRefused(await RegisterAsync("r", key, 0, 64), 400, "shared memory region 'r' already in manager");
    }

    [Fact]
    public async Task Another_tenants_regions_are_nowhere()
    {
        var (_, key) = Make(new byte[64]);
        await RegisterAsync("mine", key, 0, 64);
        var (tenant, other) = await _server.Server.CreateTenantAsync();
        using var _ = other;
        await PredictionServer.RegisterAsync(_server.Server, tenant.Tenant.Id, "number", PredictionModels.Echo(("i", TensorElementType.Int64, "INT64")));
        IsRefused(await PostAsync("/v2/models/number/infer", Number(Place("mine", 16)), other), 404, "Unable to find shared memory region: 'mine'");
        IsRefused(await PostAsync("/v2/models/number/infer", Number("\"data\":[1,2]", Place("mine", 16)), other), 404, "Unable to find shared memory region: 'mine'");
        IsRefused(await PostAsync("/v2/systemsharedmemory/region/mine/register", $$"""{"key":"{{key}}","byte_size":64}""", other), 400, "is not one of this tenant's");
        Assert.Equal("[]", await other.GetStringAsync("/v2/systemsharedmemory/status", TestContext.Current.CancellationToken));
        Assert.Equal((200, ""), await PostAsync("/v2/systemsharedmemory/region/mine/unregister", null, other));
        Assert.Equal((200, ""), await PostAsync("/v2/systemsharedmemory/unregister", null, other));
        Assert.Contains("\"mine\"", await GetAsync("/v2/systemsharedmemory/status"));

        // Its own of the same name goes with it, and only that.
        var (_, own) = Make(new byte[16], tenant.Tenant.Name);
        Assert.Equal((200, ""), await PostAsync("/v2/systemsharedmemory/region/mine/register", $$"""{"key":"{{own}}","byte_size":16}""", other));
        var memory = _server.Server.Server.Services.GetRequiredService<SharedMemory>();
        Assert.NotNull(memory.Find(tenant.Tenant.Id, "mine"));
        (await _server.Server.Platform.DeleteAsync($"/api/v1/tenants/{tenant.Tenant.Name}", TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();
        Assert.Null(memory.Find(tenant.Tenant.Id, "mine"));
        Assert.Contains("\"mine\"", await GetAsync("/v2/systemsharedmemory/status"));
    }

    [Fact]
    public async Task A_tenant_has_so_many_regions_and_no_more()
    {
        var (_, key) = Make(new byte[8]);
        for (var i = 0; i < SharedMemory.RegionsMax; i++) Assert.Equal((200, ""), await RegisterAsync($"r{i}", key, 0, 8));
        IsRefused(await RegisterAsync("more", key, 0, 8), 400, "a tenant has at most 64 of them");
        await PostAsync("/v2/systemsharedmemory/region/r0/unregister", null);
        Assert.Equal((200, ""), await RegisterAsync("more", key, 0, 8));
        Assert.Equal((200, ""), await PostAsync("/v2/systemsharedmemory/unregister", null));
        Assert.Equal("[]", await GetAsync("/v2/systemsharedmemory/status"));
    }

    [Fact]
    public async Task What_is_read_there_is_bounded_as_a_body_is()
    {
        // A file of holes takes no memory; the tensor would.
        var (file, key) = Make([]);
        using (var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite)) stream.SetLength(1L << 40);
        await RegisterAsync("huge", key, 0, 1UL << 40);
        foreach (var (rows, bytes) in ((long, ulong)[])[(125_001, 2_000_016), (1L << 36, 1UL << 40)])
            IsRefused(await PostAsync("/v2/models/number/infer", $$"""{"inputs":[{"name":"i","shape":[{{rows}},2],"datatype":"INT64",{{Place("huge", bytes)}}}]}"""), 413, "The request body is too large");
    }

    [Fact]
    public async Task Outputs_of_a_model_that_answers_many_times_stay_in_the_answers()
    {
        var (_, key) = Make(new byte[64]);
        await RegisterAsync("r", key, 0, 64);
        var request = new ModelInferRequest { ModelName = "counter", Outputs = { new RequestedOutput { Name = "number", Parameters = { Parameters("r", 4, null) } } } };
        foreach (var name in (string[])["from", "by"])
            request.Inputs.Add(new InputTensor { Name = name, Datatype = "FP32", Shape = { 1, 1 }, Contents = new InferTensorContents { Fp32Contents = { 1 } } });
        using var stream = _server.Grpc.Open(Service + "ModelStreamInfer");
        await stream.WriteAsync(request);
        Assert.Contains("its outputs cannot be put in shared memory", (await stream.ReadAsync<ModelStreamInferResponse>())!.ErrorMessage);
    }

    [Fact]
    public async Task Any_place_is_used_exactly_as_it_says_or_refused()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        const int Length = 96;
        var (file, key) = Make(new byte[Length]);
        int answered = 0, refused = 0;
        for (var round = 0; round < 300; round++)
        {
            var content = new byte[Length];
            random.NextBytes(content);
            File.WriteAllBytes(file, content);
            var (start, size) = ((ulong)random.Next(0, 50), (ulong)random.Next(1, 50));
            await PostAsync("/v2/systemsharedmemory/region/f/unregister", null);
            var isRegistered = (await RegisterAsync("f", key, start, size)).Status == 200;
            Assert.Equal((UInt128)start + size <= Length, isRegistered);
            var length = random.Next(10) == 0 ? random.Next(Length) : Length;
            using (var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite)) stream.SetLength(length);
            var (inputOffset, inputSize, outputOffset, outputSize) = (Some(), random.Next(4) == 0 ? Some() : 16UL, Some(), random.Next(4) == 0 ? Some() : 16UL);
            var (status, text) = await PostAsync("/v2/models/number/infer", Number(Place("f", inputSize, inputOffset), Place("f", outputSize, outputOffset)));
            var mayBe = isRegistered && inputSize == 16 && outputSize >= 16 && Fits(inputOffset, inputSize, 16) && Fits(outputOffset, outputSize, 16);
            Assert.True(status == (mayBe ? 200 : isRegistered ? 400 : 404), $"seed {seed}, round {round}: {status} {text}");
            var expected = content[..length];
            if (mayBe) content.AsSpan((int)(start + inputOffset), 16).CopyTo(expected.AsSpan((int)(start + outputOffset)));
            Assert.Equal(expected, File.ReadAllBytes(file));
            if (mayBe) answered++;
            else refused++;

            bool Fits(ulong offset, ulong claimed, ulong used) => (UInt128)offset + claimed <= size && (UInt128)start + offset + used <= (ulong)length;
        }
        Assert.True(answered > 10 && refused > 50, $"{answered} answered, {refused} refused (seed {seed}).");

        ulong Some() => random.Next(8) switch
        {
            0 => ulong.MaxValue - (ulong)random.Next(40),
            1 => (ulong)long.MaxValue + (ulong)random.Next(-40, 40),
            _ => (ulong)random.Next(0, 30),
        };
    }

    [Fact]
    public async Task Without_the_setting_everything_says_how_to_allow_it()
    {
        var server = new TestServer();
        await server.InitializeAsync();
        await using var _ = server;
        var (tenant, client) = await server.CreateTenantAsync();
        using var own = client;
        await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "number", PredictionModels.Echo(("i", TensorElementType.Int64, "INT64")));
        var (_, key) = Make(new byte[64], tenant.Tenant.Name);
        IsRefused(await PostAsync("/v2/systemsharedmemory/region/r/register", $$"""{"key":"{{key}}","byte_size":64}""", own), 501, "'Prediction:SharedMemory'");
        IsRefused(await PostAsync("/v2/systemsharedmemory/unregister", null, own), 501, "'Prediction:SharedMemory'");
        IsRefused(await PostAsync("/v2/models/number/infer", Number(Place("r", 16)), own), 501, "'Prediction:SharedMemory'");
        IsRefused(await PostAsync("/v2/models/number/infer", Number("\"data\":[1,2]", Place("r", 16)), own), 501, "'Prediction:SharedMemory'");
        using var status = await own.GetAsync("/v2/systemsharedmemory/status", TestContext.Current.CancellationToken);
        Assert.Equal(501, (int)status.StatusCode);
        Assert.DoesNotContain("shared_memory", await own.GetStringAsync("/v2", TestContext.Current.CancellationToken));
        using var grpc = new GrpcTestClient(server.Server.Address, own.DefaultRequestHeaders.Authorization!.Parameter);
        var answer = await grpc.SendAsync(Service + "SystemSharedMemoryStatus", GrpcTestClient.Frame([]));
        Assert.Equal(StatusCode.Unimplemented, answer.Status);
    }

    private static string Number(string input, string? output = null) =>
        $$"""{"inputs":[{"name":"i","shape":[1,2],"datatype":"INT64",{{input}}}],"outputs":[{"name":"i_out"{{(output is null ? "" : "," + output)}}}]}""";

    private static string Place(string region, ulong size, ulong? offset = null) =>
        $$"""
        "parameters":{"shared_memory_region":"{{region}}","shared_memory_byte_size":{{size}}{{(offset is null ? "" : $",\"shared_memory_offset\":{offset}")}}}
        """;

    private static Dictionary<string, InferParameter> Parameters(string region, long size, long? offset)
    {
        var parameters = new Dictionary<string, InferParameter> { ["shared_memory_region"] = new() { StringParam = region }, ["shared_memory_byte_size"] = new() { Int64Param = size } };
        if (offset is { } at) parameters["shared_memory_offset"] = new() { Int64Param = at };
        return parameters;
    }

    private string Name(string? tenant = null) => $"{tenant ?? _server.Tenant}.{Guid.NewGuid():n}";

    private (string File, string Key) Make(byte[] content, string? tenant = null)
    {
        var name = Name(tenant);
        File.WriteAllBytes("/dev/shm/" + name, content);
        _files.Add("/dev/shm/" + name);
        return ("/dev/shm/" + name, "/" + name);
    }

    private Task<(int Status, string Text)> RegisterAsync(string name, string key, ulong offset, ulong size) =>
        PostAsync($"/v2/systemsharedmemory/region/{name}/register", $$"""{"key":"{{key}}","offset":{{offset}},"byte_size":{{size}}}""");

    private Task<string> GetAsync(string path) => _server.Client.GetStringAsync(path, TestContext.Current.CancellationToken);

    private async Task<(int Status, string Text)> PostAsync(string path, string? body, HttpClient? client = null)
    {
        using var content = new StringContent(body ?? "", Encoding.UTF8, "application/json");
        using var answer = await (client ?? _server.Client).PostAsync(path, content, TestContext.Current.CancellationToken);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    private async Task<T> CallAsync<T>(string method, IMessage request) where T : class, IMessage<T>, new()
    {
        var (response, answer) = await _server.Grpc.CallAsync<T>(Service + method, request);
        Assert.True(answer.Status == StatusCode.OK, $"{answer.Status}: {answer.Message}");
        return response!;
    }

    private async Task IsRefusedAsync(string method, IMessage request, StatusCode status, string message)
    {
        var answer = await _server.Grpc.SendAsync(Service + method, GrpcTestClient.Frame(request.ToByteArray()));
        Assert.True(answer.Status == status, $"{answer.Status}: {answer.Message}");
        Assert.StartsWith(message, answer.Message, StringComparison.Ordinal);
    }

    private static void IsRefused((int Status, string Text) answer, int status, string error)
    {
        Assert.True(answer.Status == status, $"{answer.Status} {answer.Text}");
        Assert.Contains(error, (string)JsonNode.Parse(answer.Text)!["error"]!, StringComparison.Ordinal);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string from, string to);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkfifo(string path, uint mode);
}

/// <summary>A server that lets its clients use shared memory, with one tenant.</summary>
public sealed class SharedMemoryServer : IAsyncLifetime
{
    internal TestServer Server { get; } = new() { Settings = ["--Prediction:SharedMemory=true", "--Atoll:RequestBytesMax=2000000"] };

    internal string Tenant { get; private set; } = "";

    internal HttpClient Client { get; private set; } = null!;

    internal GrpcTestClient Grpc { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await Server.InitializeAsync();
        var (tenant, client) = await Server.CreateTenantAsync();
        (Tenant, Client) = (tenant.Tenant.Name, client);
        Grpc = new GrpcTestClient(Server.Server.Address, client.DefaultRequestHeaders.Authorization!.Parameter);
        await PredictionServer.RegisterAsync(
            Server, tenant.Tenant.Id, "echo", PredictionModels.Echo(("i", TensorElementType.Int64, "INT64"), ("b", TensorElementType.Bool, "BOOL"), ("s", TensorElementType.String, "BYTES")));
        await PredictionServer.RegisterAsync(Server, tenant.Tenant.Id, "number", PredictionModels.Echo(("i", TensorElementType.Int64, "INT64")));
        await PredictionServer.RegisterAsync(Server, tenant.Tenant.Id, "counter", PredictionModels.Counter());
    }

    public async ValueTask DisposeAsync()
    {
        Grpc?.Dispose();
        Client?.Dispose();
        await Server.DisposeAsync();
    }
}
