using System.Text.Json;
using Atoll.Cli.Commands;
using Atoll.Cli.Load;
using Atoll.Tests.Prediction;

namespace Atoll.Tests.Cli.Load;

public sealed class BenchCommandTests(PredictionServer server) : IClassFixture<PredictionServer>, IDisposable
{
    private readonly TestTerminal _terminal = new();

    public void Dispose() => _terminal.Dispose();

    [Theory]
    [InlineData("price --protocol rest")]
    [InlineData("price --protocol rest --http 2 --rows 3")]
    [InlineData("price --protocol binary --rows 32 --zipf 1")]
    [InlineData("price --protocol grpc --in-flight 20")]
    [InlineData("price --protocol predict --rows 2")]
    [InlineData("churn loans --protocol grpc --sweep")]
    [InlineData("intents --protocol predict")]
    [InlineData("intents --protocol binary")]
    [InlineData("price --rate 500 --threads 2")]
    public async Task A_model_is_asked_over_every_protocol(string line)
    {
        await RunAsync($"bench load {line} --requests 40 --warmup 0 --output json", 0);
        var report = JsonSerializer.Deserialize(_terminal.Out, LoadJson.Default.LoadReport)!;
        Assert.Equal((40, 40, 40, 40), (report.Begun, report.Offered, report.Sent, report.Done));
        Assert.Empty(report.Errors);
        Assert.True(report.Latency.P50 > 0 && report.Latency.P50 <= report.Latency.Max, $"{report.Latency}");
    }

    [Fact]
    public async Task A_person_gets_a_table()
    {
        await RunAsync("bench load price --requests 20 --warmup 0", 0);
        Assert.Contains("p99.9 ms", _terminal.Out);
        Assert.Contains("one for each that ends", _terminal.Out);
    }

    [Fact]
    public async Task The_request_of_a_file_is_sent_over_any_protocol()
    {
        var file = Path.Combine(_terminal.Folder, "request.json");
        await File.WriteAllTextAsync(file, """{"inputs":[{"name":"rooms","datatype":"FP32","shape":[2,1],"data":[1,2]}]}""", TestContext.Current.CancellationToken);
        foreach (var protocol in (string[])["rest", "binary", "grpc"]) await RunAsync($"bench load price --data {file} --protocol {protocol} --requests 5 --warmup 0", 0);
        await RunAsync($"bench load price --data {file} --protocol predict --requests 5", 1);
        Assert.Contains("400", _terminal.Error);
    }

    [Theory]
    [InlineData("bench load", 2, "<model> is missing")]
    [InlineData("bench load price --http 3", 2, "1.1")]
    [InlineData("bench load price --protocol grpc --http 1.1", 2, "gRPC needs HTTP/2")]
    [InlineData("bench load price --in-flight 50", 2, "cannot be more than --connections")]
    [InlineData("bench load price --connections 4 --in-flight 2", 2, "fewer --connections")]
    [InlineData("bench load price --threads 99", 2, "fewer --threads")]
    [InlineData("bench load price --rate 0", 2, "--rate")]
    [InlineData("bench load price --rate NaN", 2, "--rate")]
    [InlineData("bench load price --duration -1", 2, "--duration")]
    [InlineData("bench load price --rows 0", 2, "--rows")]
    [InlineData("bench load price --data none.json", 2, "no file")]
    [InlineData("bench load price --tenants none.txt", 2, "no file")]
    [InlineData("bench load price-{3..1}", 2, "count up")]
    [InlineData("bench load nothing", 1, "404")]
    [InlineData("bench load nothing --protocol predict", 1, "nothing")]
    [InlineData("bench load price --anonymous", 1, "401")]
    [InlineData("bench load colours --protocol predict", 1, "--data")]
    public async Task A_load_that_cannot_be_made_is_refused_with_the_reason(string line, int code, string says)
    {
        await RunAsync(line, code);
        Assert.Contains(says, _terminal.Error);
    }

    [Theory]
    [InlineData("rest")]
    [InlineData("predict")]
    public async Task A_server_that_is_not_there_is_unreachable(string protocol)
    {
        Assert.Equal(3, await _terminal.RunAsync($"bench load price --protocol {protocol} --server http://127.0.0.1:1 --key atl_x"));
        Assert.Contains("nothing listens there", _terminal.Error);
    }

    [Fact]
    public async Task A_server_behind_TLS_is_not_asked()
    {
        Assert.Equal(2, await _terminal.RunAsync("bench load price --server https://127.0.0.1:1 --key atl_x"));
        Assert.Contains("without TLS", _terminal.Error);
    }

    [Fact]
    public void A_pattern_stands_for_its_names()
    {
        Assert.Equal(["lead-9", "lead-10", "lead-11"], BenchCommands.Expand("lead-{9..11}"));
        Assert.Equal(["lead"], BenchCommands.Expand("lead"));
    }

    private async Task RunAsync(string line, int code)
    {
        var key = server.Client.DefaultRequestHeaders.Authorization!.Parameter;
        var found = await _terminal.RunAsync(line.Contains("--anonymous") ? $"{line} --server {server.Server.Server.Address}" : $"{line} --server {server.Server.Server.Address} --key {key}");
        Assert.True(found == code, $"{found}: {_terminal.Error}{_terminal.Out}");
    }
}
