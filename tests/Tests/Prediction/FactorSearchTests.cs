using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>Why a row is predicted so, for models whose answer to that can be worked out by hand.</summary>
public sealed class FactorSearchTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    [Fact]
    public async Task Columns_that_add_up_are_given_exactly_what_they_add()
    {
        await server.RegisterAsync("sums", Rooms(together: 0));
        var answer = await ReadAsync("sums", """{"rows":[{"rooms":5,"area":30,"garden":1},{"rooms":2,"area":80}],"explain":true}""");

        var first = answer.Predictions[0].Factors!;
        Assert.Null(first.Label);
        Assert.Equal((5 * 2) + (30 * 3), first.Predicted, 4);
        Assert.Equal((3 * 2) + (50 * 3), first.Typical, 4);
        Assert.Equal([("area", -60.0, "30", "50"), ("rooms", 4.0, "5", "3")], first.Columns.Select(column => (column.Name, Math.Round(column.Contribution, 4), column.Value, column.TypicalValue)));
        Assert.Equal(0, first.Others, 4);
        Assert.Equal(answer.Predictions[0].Value!.Value, first.Predicted, 4);
        var second = answer.Predictions[1].Factors!;
        Assert.Equal([("area", 90.0), ("rooms", -2.0)], second.Columns.Select(column => (column.Name, Math.Round(column.Contribution, 4))));
    }

    [Fact]
    public async Task What_two_columns_do_only_together_is_shared_between_them()
    {
        await server.RegisterAsync("products", Rooms(together: 1));
        var factors = Assert.Single((await ReadAsync("products", """{"rows":[{"rooms":5,"area":52}],"explain":2}""")).Predictions).Factors!;

        // 2 rooms more and 2 of area more, of rooms * area: 5*52 - 3*50 = 110, which the mean of both orders parts as 2*51 and 2*4.
        Assert.Equal([("rooms", (2 * 2) + (2 * 51.0)), ("area", (3 * 2) + (2 * 4.0))], factors.Columns.Select(column => (column.Name, Math.Round(column.Contribution, 4))));
        Assert.Equal(0, factors.Others, 4);
    }

    [Fact]
    public async Task The_named_columns_and_the_others_add_up_to_the_difference_from_a_typical_row()
    {
        await server.RegisterAsync("named", Rooms(together: 1));
        var factors = Assert.Single((await ReadAsync("named", """{"rows":[{"rooms":9,"area":10}],"explain":1}""")).Predictions).Factors!;
        Assert.Equal(factors.Predicted - factors.Typical, Assert.Single(factors.Columns).Contribution + factors.Others, 3);
    }

    [Fact]
    public async Task A_missing_value_is_explained_and_a_label_by_its_own_probability()
    {
        var (onnx, signature) = PredictionModels.Churn();
        await server.RegisterAsync("why", (onnx, signature with
        {
            Inputs = [signature.Inputs[0] with { Typical = "30" }, signature.Inputs[1], signature.Inputs[2] with { Typical = "No" }, signature.Inputs[3] with { Typical = "Rome" }],
        }));
        var answer = await ReadAsync("why", """{"rows":[{"age":20,"city":"Paris"},{"married":"No","city":"Rome"}],"explain":true}""");

        var left = answer.Predictions[0].Factors!;
        Assert.Equal(("leaves", 0.9, 0.1), (left.Label, Math.Round(left.Predicted, 4), Math.Round(left.Typical, 4)));
        Assert.Equal([("city", 0.8, "Paris", "Rome")], left.Columns.Select(column => (column.Name, Math.Round(column.Contribution, 4), column.Value, column.TypicalValue)));
        var stays = answer.Predictions[1].Factors!;
        Assert.Equal(("stays", 0.9), (stays.Label, Math.Round(stays.Typical, 4)));
        Assert.Empty(stays.Columns);
    }

    [Fact]
    public async Task Who_asks_gets_the_same_prediction_and_the_same_warnings_as_who_does_not()
    {
        var (onnx, signature) = PredictionModels.Loans();
        await server.RegisterAsync("asked", (onnx, signature with { Inputs = [signature.Inputs[0] with { Typical = "30" }, .. signature.Inputs.Skip(1)] }));
        const string rows = """[{"age":60,"city":"Oslo"},{"married":"Yes"}]""";
        var plain = await server.PredictAsync("asked", $$"""{"rows":{{rows}}}""");
        foreach (var (body, query) in ((string, string)[])[($$"""{"rows":{{rows}},"explain":3}""", ""), ($$"""{"rows":{{rows}}}""", "?explain=3")])
        {
            var asked = await server.PredictAsync("asked", body, query);
            foreach (var prediction in asked["predictions"]!.AsArray()) Assert.True(prediction!.AsObject().Remove("factors"), "It should say why.");
            Assert.Equal(plain.ToJsonString(), asked.ToJsonString());
        }
        var declined = await server.PredictAsync("asked", $$"""{"rows":{{rows}},"explain":false}""");
        Assert.Equal(plain.ToJsonString(), declined.ToJsonString());
    }

    [Theory]
    [InlineData("loans", """{"rows":[{"age":60}],"explain":true}""", "typical row")]
    [InlineData("intents", """{"texts":["loan"],"explain":true}""", "reads texts")]
    [InlineData("loans", """{"rows":[{"age":60}],"explain":0}""", "Expected true")]
    [InlineData("loans", """{"rows":[{"age":60}],"explain":"yes"}""", "Expected true")]
    [InlineData("loans", """{"rows":[{"age":60}],"explian":true}""", "explain")]
    public async Task What_cannot_be_explained_is_refused_with_the_reason(string endpoint, string body, string reason)
    {
        using var answer = await server.Client.PostAsync($"/api/v1/endpoints/{endpoint}:predict", new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(reason, await answer.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("loans", """{"rows":[{"age":60}]}""", "not known how its training data is spread")]
    [InlineData("intents", """{"texts":["loan"]}""", "does not read the columns of rows")]
    public async Task What_cannot_be_compared_with_training_data_is_refused_with_the_reason(string endpoint, string body, string reason)
    {
        using var answer = await server.Client.PostAsync($"/api/v1/endpoints/{endpoint}:compare", new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
        Assert.Contains(reason, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task An_answer_in_csv_and_too_many_rows_are_refused()
    {
        await server.RegisterAsync("many", Rooms(together: 0));
        using var csv = new HttpRequestMessage(HttpMethod.Post, "/api/v1/endpoints/many:predict?explain=true") { Content = new StringContent("rooms,area\n1,2\n", Encoding.UTF8, "text/csv") };
        csv.Headers.Accept.ParseAdd("text/csv");
        using var refused = await server.Client.SendAsync(csv);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains("application/json", await refused.Content.ReadAsStringAsync());

        await using var small = new TestServer { Settings = ["--Prediction:ExplainedRowsMax=1"] };
        await small.InitializeAsync();
        var (tenant, client) = await small.CreateTenantAsync();
        await PredictionServer.RegisterAsync(small, tenant.Tenant.Id, "many", Rooms(together: 0));
        using var many = await client.PostAsync("/api/v1/endpoints/many:predict", new StringContent("""{"rows":[{"rooms":1},{"rooms":2}],"explain":true}""", Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, many.StatusCode);
        Assert.Contains("ExplainedRowsMax", await many.Content.ReadAsStringAsync());
    }

    private async Task<PredictResponse> ReadAsync(string endpoint, string body)
    {
        using var answer = await server.Client.PostAsync($"/api/v1/endpoints/{endpoint}:predict", new StringContent(body, Encoding.UTF8, "application/json"));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return (await answer.Content.ReadFromJsonAsync(AtollJson.Default.PredictResponse))!;
    }

    /// <summary>2 rooms + 3 area + together * rooms * area; a garden counts for nothing. Typical are 3 rooms and an area of 50.</summary>
    private static (byte[] Onnx, ModelSignature Signature) Rooms(float together)
    {
        var graph = new OnnxGraphBuilder("rooms");
        var rooms = graph.Input("rooms", TensorElementType.Float, "N", 1);
        var area = graph.Input("area", TensorElementType.Float, "N", 1);
        var garden = graph.Input("garden", TensorElementType.Float, "N", 1);
        var none = graph.Node("Mul", [graph.Node("Where", [graph.Node("IsNaN", [garden]), graph.Scalar("zero", 0f), garden]), graph.Scalar("nothing", 0f)]);
        var sum = graph.Node("Add", [
            graph.Node("Add", [graph.Node("Mul", [rooms, graph.Scalar("two", 2f)]), graph.Node("Mul", [area, graph.Scalar("three", 3f)])]),
            graph.Node("Add", [graph.Node("Mul", [graph.Node("Mul", [rooms, area]), graph.Scalar("together", together)]), none])]);
        graph.Output("value", graph.Node("Reshape", [sum, graph.Constant("flat", [-1L])]), TensorElementType.Float, "N");
        TensorSpec Input(string name, string? typical) => new() { Name = name, Datatype = "FP32", Shape = [-1, 1], ColumnType = ColumnTypes.Number, Typical = typical };
        return (graph.ToBytes(), new ModelSignature
        {
            Task = TaskKinds.Regression, SampleType = DatasetTypes.Tabular, Target = "price",
            Inputs = [Input("rooms", "3"), Input("area", "50"), Input("garden", "0")],
            Outputs = [new TensorSpec { Name = "value", Datatype = "FP32", Shape = [-1] }],
        });
    }
}
