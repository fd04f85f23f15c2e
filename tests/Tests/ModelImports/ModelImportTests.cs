using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Google.Protobuf;

namespace Atoll.Tests.ModelImports;

public sealed class ModelImportTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public async Task A_model_from_elsewhere_becomes_a_version_that_answers()
    {
        var (_, client) = await server.CreateTenantAsync();

        var import = await ImportAsync(client, "scores", ForeignModels.Tensor(), "scores.onnx");

        Assert.Equal((ImportStates.Succeeded, 1, "scores.onnx"), (import.State, import.Version!.Value, import.File));
        var version = (await client.GetFromJsonAsync("/api/v1/models/scores/versions/latest", AtollJson.Default.ModelVersionResponse))!;
        Assert.Equal((SampleTypes.Tensors, TaskKinds.Tensors), (version.Signature.SampleType, version.Signature.Task));
        var input = Assert.Single(version.Signature.Inputs);
        Assert.Equal(("x", "FP32", "-1,3"), (input.Name, input.Datatype, string.Join(',', input.Shape)));
        Assert.Equal((import.Id, "scores.onnx", "import/onnx", version.Digest), (version.Lineage.Import, version.Lineage.File, version.Lineage.Recipe, version.Lineage.FileDigest));
        Assert.Equal(ForeignModels.Tensor(), await client.GetByteArrayAsync("/api/v1/models/scores/versions/1/artifact"));

        var report = (await client.GetFromJsonAsync("/api/v1/models/scores/versions/1/report", AtollJson.Default.ModelReportResponse))!;
        Assert.Null(report.Evaluation);
        Assert.Equal(["Gemm", "Identity", "Sigmoid"], report.Import!.Operators.Select(found => found.Name));
        Assert.Equal("20", report.Import.Opsets["ai.onnx"]);
        Assert.NotNull(report.Import.Serving.GraphDigest);
        Assert.True(report.Import.Cost is { LoadMs: > 0, MemoryBytes: > 0, MsPerRowAt1: > 0, MsPerRowAt32: > 0 });

        var answer = await InferAsync(client, "scores", """{"inputs":[{"name":"x","datatype":"FP32","shape":[2,3],"data":[1,1,2,0,0,0]}]}""");
        Assert.Equal([0.5, 1 / (1 + Math.Exp(-0.5))], answer["outputs"]![0]!["data"]!.AsArray().Select(value => (double)value!), (a, b) => Math.Abs(a - b) < 1e-6);
        using var rows = await client.PostAsync("/api/v1/endpoints/scores:predict", new StringContent("""{"rows":[{"x":1}]}""", Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.BadRequest, rows.StatusCode);
        Assert.Contains("/v2/models/scores/infer", await rows.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Models_of_one_structure_share_a_graph()
    {
        var (_, client) = await server.CreateTenantAsync();
        await ImportAsync(client, "one", ForeignModels.Tensor());
        await ImportAsync(client, "two", ForeignModels.Tensor(bias: -3));

        var graphs = new List<string?>();
        foreach (var name in (string[])["one", "two"])
            graphs.Add((await client.GetFromJsonAsync($"/api/v1/models/{name}/versions/1/report", AtollJson.Default.ModelReportResponse))!.Import!.Serving.GraphDigest);
        Assert.NotNull(graphs[0]);
        Assert.Equal(graphs[0], graphs[1]);
    }

    [Fact]
    public async Task A_classifier_of_columns_with_a_list_of_maps_answers_rows()
    {
        var (_, client) = await server.CreateTenantAsync();
        await ImportAsync(client, "leads", ForeignModels.ZipMap());

        var version = (await client.GetFromJsonAsync("/api/v1/models/leads/versions/1", AtollJson.Default.ModelVersionResponse))!;
        Assert.Equal((DatasetTypes.Tabular, TaskKinds.Classification), (version.Signature.SampleType, version.Signature.Task));
        Assert.Equal(["3", "7"], version.Signature.Labels!);
        Assert.Equal("-1,2", string.Join(',', version.Signature.Outputs[1].Shape));

        using var answer = await client.PostAsync(
            "/api/v1/endpoints/leads:predict", new StringContent("""{"rows":[{"age":2,"income":1},{"age":-2,"income":1}]}""", Encoding.UTF8, "application/json"));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        var predictions = JsonNode.Parse(text)!["predictions"]!.AsArray();
        Assert.Equal(["7", "3"], predictions.Select(prediction => (string)prediction!["label"]!));

        var report = (await client.GetFromJsonAsync("/api/v1/models/leads/versions/1/report", AtollJson.Default.ModelReportResponse))!;
        Assert.Equal("skl2onnx", report.Import!.Producer);
        Assert.Contains("ZipMap", Assert.Single(report.Import.Notes!));
    }

    [Fact]
    public async Task Trees_of_another_library_answer_rows_as_the_library_does()
    {
        var (_, client) = await server.CreateTenantAsync();
        await ImportAsync(client, "buyers", TreeFileTests.Read("xgboost-binary"), "buyers.json", """["stays","buys"]""");

        var version = (await client.GetFromJsonAsync("/api/v1/models/buyers/versions/1", AtollJson.Default.ModelVersionResponse))!;
        Assert.Equal(["age", "income", "visits", "rate", "plan", "spent"], version.Signature.Inputs.Select(input => input.Name));
        Assert.Equal(("import/xgboost-json", "XGBoost gbtree, 6 trees, binary:logistic"), (version.Lineage.Recipe, version.Algorithm));
        Assert.NotEqual(version.Lineage.FileDigest, version.Digest);
        using (var downloaded = OnnxSession.Load(await client.GetByteArrayAsync("/api/v1/models/buyers/versions/1/artifact"))) Assert.Equal(6, downloaded.Inputs.Count);

        var golden = JsonNode.Parse(File.ReadAllText(Golden.InRepository("tests/Tests/Golden/trees/xgboost-binary.golden.json")))!;
        var rows = golden["rows"]!.AsArray().Select(row => new JsonObject(row!.AsArray().Select((value, i) => KeyValuePair.Create(version.Signature.Inputs[i].Name, value?.DeepClone())))).ToList();

        // A row of nothing but gaps is refused, as for every model.
        var some = rows.Index().Where(row => row.Item.Any(value => value.Value is not null)).ToList();
        using var answer = await client.PostAsync(
            "/api/v1/endpoints/buyers:predict", new StringContent(new JsonObject { ["rows"] = new JsonArray([.. some.Select(row => row.Item)]) }.ToJsonString(), Encoding.UTF8, "application/json"));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        foreach (var (prediction, row) in JsonNode.Parse(text)!["predictions"]!.AsArray().Zip(some))
        {
            var expected = (double)golden["predicted"]![row.Index]![0]!;
            Assert.Equal(expected > 0.5 ? "buys" : "stays", (string)prediction!["label"]!);
            Assert.Equal(expected, (double)prediction["labels"]!.AsArray().Single(label => (string)label!["label"]! == "buys")!["probability"]!, 1e-5);
        }
    }

    [Fact]
    public async Task A_model_keeps_reading_what_its_versions_read()
    {
        var (_, client) = await server.CreateTenantAsync();
        await ImportAsync(client, "scores", ForeignModels.Tensor());

        Assert.Contains("under another name", await RefusedAsync(client, "scores", ForeignModels.ZipMap()));
        Assert.Equal(2, (await ImportAsync(client, "scores", ForeignModels.Tensor(bias: 1))).Version);
    }

    [Fact]
    public async Task What_a_model_must_not_have_is_refused_with_the_reason()
    {
        var (_, client) = await server.CreateTenantAsync();
        Assert.Contains("empty", await RefusedAsync(client, "bad", []));
        Assert.Contains("not a model", await RefusedAsync(client, "bad", Encoding.UTF8.GetBytes("PK this is no model")));
        Assert.Contains("another file", await RefusedAsync(client, "bad", Changed(model => model.Graph.Initializer[0].ExternalData.Add(new Atoll.Serving.Onnx.Proto.StringStringEntryProto { Key = "location", Value = "../../atoll.db" }))));
        Assert.Contains("Atoll's own", await RefusedAsync(client, "bad", Changed(model => model.Graph.Node[1].Domain = "ai.atoll")));
        Assert.Contains("'example.evil' is not known", await RefusedAsync(client, "bad", Changed(model => model.Graph.Node[1].Domain = "example.evil")));
        Assert.Contains("cannot load the model", await RefusedAsync(client, "bad", Changed(model => model.Graph.Node[1].OpType = "Sigmund")));
        Assert.Contains("names its classes itself", await RefusedAsync(client, "bad", ForeignModels.ZipMap(), """["no","yes"]"""));
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("/api/v1/models/bad")).StatusCode);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(server.DataPath, "tmp")));
    }

    [Fact]
    public async Task External_weights_are_found_wherever_they_hide()
    {
        var (_, client) = await server.CreateTenantAsync();
        var outside = new Atoll.Serving.Onnx.Proto.TensorProto { Name = "hidden", DataLocation = 1, DataType = 1 };
        var hidingPlaces = new Action<Atoll.Serving.Onnx.Proto.ModelProto>[]
        {
            model => model.Graph.Node[1].Attribute.Add(new Atoll.Serving.Onnx.Proto.AttributeProto { Name = "a", T = outside }),
            model => model.Graph.Node[1].Attribute.Add(new Atoll.Serving.Onnx.Proto.AttributeProto { Name = "a", Tensors = { outside } }),
            model => model.Graph.Node[1].Attribute.Add(new Atoll.Serving.Onnx.Proto.AttributeProto { Name = "a", SparseTensor = new() { Values = outside } }),
            model => model.Graph.Node[1].Attribute.Add(new Atoll.Serving.Onnx.Proto.AttributeProto { Name = "a", G = new() { Initializer = { outside } } }),
            model => model.Graph.SparseInitializer.Add(new Atoll.Serving.Onnx.Proto.SparseTensorProto { Values = outside }),
            model => model.Functions.Add(new Atoll.Serving.Onnx.Proto.FunctionProto { Domain = "own", Name = "f", Node = { new Atoll.Serving.Onnx.Proto.NodeProto { OpType = "Constant", Attribute = { new Atoll.Serving.Onnx.Proto.AttributeProto { Name = "value", T = outside } } } } }),
        };
        foreach (var hide in hidingPlaces) Assert.Contains("'hidden' lie in another file", Refusal(Changed(hide)));
        Assert.Contains("'hidden' lie in another file", await RefusedAsync(client, "bad", Changed(hidingPlaces[2])));
    }

    [Fact]
    public async Task The_form_is_checked_before_anything_is_made()
    {
        var (_, client) = await server.CreateTenantAsync();
        async Task<string> PostAsync(HttpContent content)
        {
            using var answer = await client.PostAsync("/api/v1/models/new/versions", content);
            return $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}";
        }
        Assert.StartsWith("415 ", await PostAsync(new StringContent("{}", Encoding.UTF8, "application/json")));
        Assert.Contains("'file' is missing", await PostAsync(new MultipartFormDataContent { { new StringContent("""["a","b"]"""), "labels" } }));
        Assert.Contains("'labels'", await PostAsync(new MultipartFormDataContent { { new StringContent("""["a","a"]"""), "labels" } }));
        Assert.Contains("'colour'", await PostAsync(new MultipartFormDataContent { { new StringContent("red"), "colour" } }));
        Assert.Contains("second file", await PostAsync(new MultipartFormDataContent
        {
            { new ByteArrayContent([1]), "file", "a" }, { new ByteArrayContent([1]), "file", "b" },
        }));
        using var badName = await client.PostAsync("/api/v1/models/Bad%20Name/versions", Form([1], "a", null));
        Assert.Equal(HttpStatusCode.BadRequest, badName.StatusCode);
    }

    private static byte[] Changed(Action<Atoll.Serving.Onnx.Proto.ModelProto> change)
    {
        var model = Atoll.Serving.Onnx.Proto.ModelProto.Parser.ParseFrom(ForeignModels.Tensor());
        change(model);
        return model.ToByteArray();
    }

    private static string Refusal(byte[] model) => Assert.Throws<Atoll.ModelImports.ModelRefusedException>(() => Atoll.ModelImports.ModelFile.Read(model, null)).Message;

    internal static MultipartFormDataContent Form(byte[] model, string fileName, string? labels)
    {
        var form = new MultipartFormDataContent { { new ByteArrayContent(model), "file", fileName } };
        if (labels is not null) form.Add(new StringContent(labels), "labels");
        return form;
    }

    internal static async Task<ModelImportResponse> ImportAsync(HttpClient client, string model, byte[] file, string fileName = "model.bin", string? labels = null)
    {
        using var answer = await client.PostAsync($"/api/v1/models/{model}/versions?wait=true", Form(file, fileName, labels));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.Created, $"{answer.StatusCode}: {text}");
        return System.Text.Json.JsonSerializer.Deserialize(text, AtollJson.Default.ModelImportResponse)!;
    }

    internal static async Task<string> RefusedAsync(HttpClient client, string model, byte[] file, string? labels = null)
    {
        using var answer = await client.PostAsync($"/api/v1/models/{model}/versions?wait=true", Form(file, "model.onnx", labels));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.UnprocessableEntity, $"{answer.StatusCode}: {text}");
        var problem = JsonNode.Parse(text)!;
        Assert.Equal(ProblemCodes.ImportRefused, (string)problem["code"]!);
        var import = (await client.GetFromJsonAsync($"/api/v1/model-imports/{(string)problem["import"]!}", AtollJson.Default.ModelImportResponse))!;
        Assert.Equal((ImportStates.Refused, null), (import.State, import.Version));
        return import.Error!;
    }

    internal static async Task<JsonNode> InferAsync(HttpClient client, string model, string body)
    {
        using var answer = await client.PostAsync($"/v2/models/{model}/infer", new StringContent(body, Encoding.UTF8, "application/json"));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return JsonNode.Parse(text)!;
    }
}
