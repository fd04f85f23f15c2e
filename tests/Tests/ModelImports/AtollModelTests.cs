using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.ModelImports;
using Atoll.Registry;
using Atoll.Serving.Onnx;
using Atoll.Tests.Prediction;

namespace Atoll.Tests.ModelImports;

/// <summary>Models that Atoll trained, on their way from one Atoll to another.</summary>
public sealed class AtollModelTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public async Task A_model_that_leaves_one_tenant_arrives_whole_in_another()
    {
        var (_, client) = await server.CreateTenantAsync();
        var table = new StringBuilder("age,city,buys\n");
        for (var i = 0; i < 120; i++) table.Append(System.Globalization.CultureInfo.InvariantCulture, $"{i % 50},{(i % 3 == 0 ? "Paris" : "Rome")},{(i % 50 > 25 ? "yes" : "no")}\n");
        using (var form = new MultipartFormDataContent { { new StringContent("people"), "name" }, { new StringContent("tabular"), "type" }, { new StringContent("buys"), "label" }, { new StringContent(table.ToString()), "file", "people.csv" } })
            Assert.True((await client.PostAsync("/api/v1/datasets?wait=true", form)).IsSuccessStatusCode);
        var parameters = new Dictionary<string, string> { ["trees"] = "5", ["folds"] = "2" };
        using var started = await client.PostAsJsonAsync("/api/v1/runs", new CreateRunRequest { Dataset = "people", Parameters = parameters }, AtollJson.Default.CreateRunRequest);
        var run = (await started.Content.ReadFromJsonAsync(AtollJson.Default.RunResponse))!;
        while (!RunStates.IsEnded(run.State))
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
            run = (await client.GetFromJsonAsync($"/api/v1/runs/{run.Id}", AtollJson.Default.RunResponse))!;
        }
        Assert.True(run.State == RunStates.Succeeded, run.Error);
        var trained = (await client.GetFromJsonAsync("/api/v1/models/people/versions/1", AtollJson.Default.ModelVersionResponse))!;

        var (_, other) = await server.CreateTenantAsync();
        await ModelImportTests.ImportAsync(other, "people", await client.GetByteArrayAsync("/api/v1/models/people/versions/1/artifact"), "people-1.onnx");
        var imported = (await other.GetFromJsonAsync("/api/v1/models/people/versions/1", AtollJson.Default.ModelVersionResponse))!;
        Assert.Equal(JsonSerializer.Serialize(trained.Signature, AtollJson.Default.ModelSignature), JsonSerializer.Serialize(imported.Signature, AtollJson.Default.ModelSignature));
        Assert.Equal(trained.Digest, imported.Digest);

        const string body = """{"rows":[{"age":49,"city":"Paris"},{"age":1}]}""";
        var answers = new List<string>();
        foreach (var caller in (HttpClient[])[client, other])
        {
            using var answer = await caller.PostAsync("/api/v1/endpoints/people:predict", new StringContent(body, Encoding.UTF8, "application/json"));
            answers.Add(await answer.Content.ReadAsStringAsync());
        }
        Assert.Contains("predictions", answers[0]);
        Assert.Equal(answers[0], answers[1]);
    }

    [Fact]
    public void Signatures_of_every_kind_survive()
    {
        foreach (var (onnx, signature) in (ReadOnlySpan<(byte[], ModelSignature)>)[PredictionModels.Churn(), PredictionModels.Price(), PredictionModels.Text(), PredictionModels.Text(multiLabel: true), PredictionModels.Image(), PredictionModels.Sound()])
            Assert.Equal(Json(signature), Json(Read(SignatureMetadata.Write(onnx, signature))));
    }

    [Fact]
    public void What_a_file_says_of_itself_is_not_believed_when_it_does_not_fit()
    {
        var (onnx, signature) = PredictionModels.Churn();
        ModelSignature[] lies =
        [
            signature with { SampleType = DatasetTypes.Image },
            signature with { SampleType = "anything" },
            signature with { SampleType = DatasetTypes.Audio, SampleRate = 8_000 },
            signature with { Task = TaskKinds.Regression },
            signature with { Task = TaskKinds.MultiLabelClassification },
            signature with { Labels = [.. signature.Labels!, "one more"] },
            signature with { Labels = null },
            signature with { Labels = [null!, null!] },
            signature with { Unread = [null!] },
            signature with { Inputs = [.. signature.Inputs.Skip(1)] },
            signature with { Inputs = [.. signature.Inputs.Skip(1), signature.Inputs[1]] },
            signature with { Inputs = [.. signature.Inputs.Select(input => input with { Datatype = "INT64" })] },
            signature with { Outputs = [.. signature.Outputs.Select(output => output with { Shape = [-1, 99] })] },
        ];
        foreach (var lie in lies) Assert.NotEqual(Json(lie), Json(Read(SignatureMetadata.Write(onnx, lie))));

        // A decoder would bring sounds to any rate that a file asks for.
        var (sound, heard) = PredictionModels.Sound();
        foreach (var rate in (int?[])[null, 0, -8_000, 3_999, int.MaxValue])
            Assert.NotEqual(DatasetTypes.Audio, Read(SignatureMetadata.Write(sound, heard with { SampleRate = rate })).SampleType);
    }

    private static ModelSignature Read(byte[] file)
    {
        var read = ModelFile.Read(file, null);
        using var session = OnnxSession.Load(read.Served);
        return ImportedSignature.Of(session.Inputs, session.Outputs, read);
    }

    private static string Json(ModelSignature signature) => JsonSerializer.Serialize(signature, AtollJson.Default.ModelSignature);
}
