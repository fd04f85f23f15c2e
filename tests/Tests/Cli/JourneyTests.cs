using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;

namespace Atoll.Tests.Cli;

/// <summary>What a person does with data on the command line, from upload to prediction.</summary>
public sealed class JourneyTests(TestServer server) : IClassFixture<TestServer>, IAsyncLifetime
{
    private readonly TestTerminal _terminal = new();
    private string _key = "";

    public async ValueTask InitializeAsync()
    {
        var (tenant, _) = await server.CreateTenantAsync();
        _terminal["ATOLL_SERVER"] = server.Server.Address;
        _terminal["ATOLL_KEY"] = _key = tenant.AdministratorKey.Secret;
    }

    public ValueTask DisposeAsync()
    {
        _terminal.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_model_of_another_library_is_imported_and_predicts()
    {
        var file = Golden.InRepository("tests/Tests/Golden/trees/xgboost-binary.json");
        await RunAsync("models", "import", "buyers", file, "--label", "stays", "--label", "buys");
        Assert.Contains("buyers version 1 was made of xgboost-binary.json.", _terminal.Out);
        await RunAsync("models", "report", "buyers");
        Assert.Matches(@"format +xgboost-json", _terminal.Out);
        Assert.Matches(@"written by +XGBoost 1\.7\.4", _terminal.Out);
        Assert.Contains("shares the session of graph", _terminal.Out);
        Assert.Contains("ai.onnx.ml.TreeEnsembleRegressor", _terminal.Out);
        Assert.Contains("Note: Missing values are NaN.", _terminal.Out);
        await RunAsync("models", "show", "buyers");
        Assert.Matches(@"file +xgboost-binary\.json", _terminal.Out);
        await RunAsync("models", "versions", "buyers");
        Assert.Contains("xgboost-binary.json", _terminal.Out);
        await RunAsync("predict", "buyers", "--row", "age=9", "income=9", "plan=1");
        Assert.Contains("buys", _terminal.Out);
        await RunAsync("promote", "buyers");

        await RunAsync(1, "models", "import", "buyers", WriteLeads(3));
        Assert.Contains("not a model that Atoll can read", _terminal.Out);
        await RunAsync(2, "models", "import", "buyers", "no-such-file.onnx");
    }

    [Fact]
    public async Task A_table_becomes_a_model_in_production_that_predicts()
    {
        await RunAsync("datasets", "create", "leads", WriteLeads(200), "--label", "Converted");
        Assert.Contains("leads version 1: 200 samples.", _terminal.Out);
        Assert.Contains("atoll train leads --follow", _terminal.Out);
        await RunAsync("datasets", "show", "leads");
        Assert.Matches(@"train 1[56]\d, test [345]\d", _terminal.Out);
        Assert.Contains("Visits", _terminal.Out);
        await RunAsync("datasets", "samples", "leads", "--split", "test", "--limit", "3");
        Assert.Equal(4, _terminal.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("There are more. See them with: --after ", _terminal.Error);

        await RunAsync(2, "train", "leads", "--fairness-column", "Source", "--set", "fairness=Source");
        await RunAsync("train", "leads", "--model", "scoring", "--fairness-column", "Source", "--positive-label", "yes", "--follow");
        Assert.Contains("succeeded", _terminal.Out);
        Assert.Contains("scoring version 1", _terminal.Out);
        Assert.Contains("evaluating", _terminal.Error);
        var run = JsonSerializer.Deserialize(await JsonAsync("runs", "list"), AtollJson.Default.PageRunResponse)!.Items[0];
        await RunAsync("runs", "logs", run.Id);
        Assert.NotEmpty(_terminal.Out);
        await RunAsync("runs", "metrics", run.Id);
        Assert.Contains("course", _terminal.Out);
        await RunAsync("runs", "follow", run.Id, "--output", "json");
        Assert.Equal(RunStates.Succeeded, JsonSerializer.Deserialize(_terminal.Out, AtollJson.Default.RunResponse)!.State);

        await RunAsync("train", "leads", "--model", "unwanted", "--output", "json");
        var unwanted = JsonSerializer.Deserialize(_terminal.Out, AtollJson.Default.RunResponse)!;
        await RunAsync("runs", "cancel", unwanted.Id);
        await RunAsync(1, "runs", "follow", unwanted.Id);
        Assert.Contains("cancelled", _terminal.Out);

        await RunAsync("models", "report", "scoring");
        Assert.Contains("rows: actual, columns: predicted", _terminal.Out);
        Assert.Contains("  Invoice: gives 'Converted' away", _terminal.Out);
        Assert.Contains("says to be sure", _terminal.Out);
        Assert.Contains("dealt anew", _terminal.Out);
        Assert.Contains("How often 'yes' is predicted, by 'Source'", _terminal.Out);
        await RunAsync("models", "notes", "scoring");
        Assert.Contains("Nothing is said about scoring", _terminal.Out);
        await RunAsync("models", "notes", "scoring", "--intended-use", "Whom to call first", "--licence", "internal");
        await RunAsync("models", "notes", "scoring", "--licence", "", "--contact", "ann@example.com");
        Assert.Contains("Whom to call first", _terminal.Out);
        Assert.Contains("ann@example.com", _terminal.Out);
        Assert.DoesNotContain("internal", _terminal.Out);
        await RunAsync("models", "card", "scoring");
        Assert.Contains("It says which of 2 labels 'Converted' is", _terminal.Out);
        Assert.Contains("Whom to call first", _terminal.Out);
        Assert.Contains("- 'Invoice' was left out because it gives 'Converted' away", _terminal.Out);
        Assert.Matches(@"goes by +type +importance", _terminal.Out);
        Assert.Equal(1, JsonSerializer.Deserialize(await JsonAsync("models", "card", "scoring"), AtollJson.Default.ModelCardResponse)!.Version);
        var page = Path.Combine(_terminal.Folder, "card.html");
        await RunAsync("models", "card", "scoring", "--to", page);
        Assert.StartsWith("<!doctype html>", await File.ReadAllTextAsync(page), StringComparison.Ordinal);
        await RunAsync(1, "promote", "scoring", "--gate", "accuracy>=1.1");
        Assert.Contains("was not promoted", _terminal.Out);
        await RunAsync("promote", "scoring", "--gate", "accuracy>=0.8", "--gate", "log-loss<=5");
        Assert.Contains("scoring version 1 is now in production", _terminal.Out);
        await RunAsync("models", "promotions", "scoring");
        Assert.Equal(["yes", "no"], _terminal.Out.Split('\n').Skip(1).Take(2).Select(line => line.Split("  ", StringSplitOptions.RemoveEmptyEntries)[2].Trim()));
        await RunAsync("models", "alias", "scoring", "champion", "1");
        await RunAsync("models", "list");
        Assert.Contains("champion=1, latest=1, production=1", _terminal.Out);

        await RunAsync("predict", "scoring", "--row", "Visits=19", "Source=web");
        Assert.Contains("yes", _terminal.Out);
        Assert.DoesNotContain("!", _terminal.Out);
        await RunAsync("predict", "scoring", "--row", "Visits=19", "Source=web", "--why");
        Assert.Matches(@"Why yes \d+\.\d %, where a typical row has \d+\.\d %", _terminal.Out);
        Assert.Matches(@"Visits +19 +\d+ +\+\d+\.\d", _terminal.Out);
        await RunAsync("predict", "scoring", "--row", "Source=radio", "Invoice=sent");
        Assert.Contains("! --row leaves out 'Visits'", _terminal.Out);
        Assert.Contains("! 'Invoice' is not read", _terminal.Out);
        var rows = Path.Combine(_terminal.Folder, "new.csv");
        await File.WriteAllTextAsync(rows, "Name,Visits,Source\nx,19,web\ny,0,shop\n");
        await RunAsync("endpoints", "compare", "scoring", "--csv", WriteLeads(60));
        Assert.Contains("None of the 2 columns has moved", _terminal.Out);
        await RunAsync(1, "predict", "scoring", "--csv", rows);
        Assert.Contains("Name", _terminal.Error);
        foreach (var (mistake, expected) in ((string[], string)[])
        [
            (["--row", "Visits=many"], "Error: 'Visits' in --row is the text \"many\"."),
            (["--row-json", """{"Visits":1}""", "--row-json", """{"Visits":"many"}"""], "Error: 'Visits' in --row-json 2 is the text \"many\"."),
            (["--csv", await WriteAsync("text.csv", "Visits,Source\n1,web\nmany,web\n")], "Error: Line 3, column \"Visits\", is the text \"many\"."),
            (["--csv", await WriteAsync("long.csv", "Visits,Source\n1,web,x\n")], "Error: Line 2 has 3 values, the header 2."),
        ])
        {
            await RunAsync(1, ["predict", "scoring", .. mistake]);
            Assert.StartsWith(expected, _terminal.Error, StringComparison.Ordinal);
        }
        var answer = JsonSerializer.Deserialize(await JsonAsync("predict", "scoring", "--csv", rows, "--ignore-unknown"), AtollJson.Default.PredictResponse)!;
        Assert.Equal(["yes", "no"], answer.Predictions.Select(prediction => prediction.Label));
        var same = JsonSerializer.Deserialize(await JsonAsync("predict", "scoring", "--row-json", """{"Visits":19,"Source":"web"}""", "--alias", "champion"), AtollJson.Default.PredictResponse)!;
        Assert.Equal(answer.Predictions[0].Labels![0].Probability, same.Predictions[0].Labels![0].Probability, 6);

        await RunAsync("endpoints", "show", "scoring");
        Assert.Contains("atoll predict scoring --row", _terminal.Out);
        var file = Path.Combine(_terminal.Folder, "scoring.onnx");
        await RunAsync("models", "download", "scoring", "production", "--to", file);
        var version = JsonSerializer.Deserialize(await JsonAsync("models", "show", "scoring"), AtollJson.Default.ModelVersionResponse)!;
        Assert.Equal(version.Digest, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(await File.ReadAllBytesAsync(file))));

        await RunAsync("models", "delete", "scoring", "--yes");
        await RunAsync(1, "predict", "scoring", "--row", "Visits=19");
        await RunAsync("datasets", "delete", "leads", "--yes");
        await RunAsync(1, "datasets", "show", "leads");

        async Task<string> WriteAsync(string name, string text)
        {
            var path = Path.Combine(_terminal.Folder, name);
            await File.WriteAllTextAsync(path, text);
            return path;
        }
    }

    [Fact]
    public async Task Texts_with_marked_names_become_a_model_in_production_that_finds_names()
    {
        string Sample(string split) => Golden.InRepository($"samples/travel-requests/{split}.conll");
        await RunAsync("datasets", "create", "requests", "--train", Sample("train"), "--test", Sample("test"));
        Assert.Contains("requests version 1: 320 samples.", _terminal.Out);
        await RunAsync("datasets", "show", "requests");
        Assert.Matches("type +entities", _terminal.Out);
        Assert.Contains("train 240, test 80", _terminal.Out);
        Assert.Contains("PERSON", _terminal.Out);
        var samples = JsonSerializer.Deserialize(await JsonAsync("datasets", "samples", "requests", "--label", "PERSON", "--limit", "1"), AtollJson.Default.PageSampleResponse)!;
        Assert.Contains(samples.Items[0].Entities!, entity => entity.Label == "PERSON" && entity.End <= samples.Items[0].Text!.Length);

        await RunAsync(1, "train", "requests", "--set", "epoch=3");
        Assert.Contains("Did you mean 'epochs'?", _terminal.Error);
        await RunAsync("train", "requests", "--model", "names", "--set", "epochs=6", "--follow");
        Assert.Contains("succeeded", _terminal.Out);
        await RunAsync("models", "report", "names");
        Assert.Contains("micro-f1", _terminal.Out);
        Assert.Contains("COMPANY", _terminal.Out);
        await RunAsync(1, "promote", "names", "--gate", "micro-f1>=1.1");
        await RunAsync("promote", "names", "--gate", "micro-f1>=0.8");
        Assert.Contains("names version 1 is now in production", _terminal.Out);

        await RunAsync("predict", "names", "--text", "\U0001F600 Dear Greta Novak , the train to Oslo is late .", "Thank you .");
        Assert.Matches(@"Greta Novak +PERSON .*7-18", _terminal.Out);
        Assert.Matches(@"Oslo +PLACE", _terminal.Out);
        Assert.Contains("none", _terminal.Out);
        var answer = JsonSerializer.Deserialize(await JsonAsync("predict", "names", "--text", "\U0001F600 Dear Greta Novak , the train to Oslo is late .", "Thank you ."), AtollJson.Default.PredictResponse)!;
        Assert.Equal([("PERSON", "Greta Novak", 7, 18), ("PLACE", "Oslo", 34, 38)], answer.Predictions[0].Entities!.Select(found => (found.Label, found.Text, found.Start, found.End)));
        Assert.All(answer.Predictions[0].Entities!, found => Assert.InRange(found.Probability, 0.2, 1));
        Assert.Empty(answer.Predictions[1].Entities!);

        using var client = new HttpClient { BaseAddress = new Uri(server.Server.Address), DefaultRequestHeaders = { Authorization = new("Bearer", _key) } };
        using var infer = await client.PostAsync("/v2/models/names/infer", new StringContent(
            """{"inputs":[{"name":"text","datatype":"BYTES","shape":[2],"data":["Dear Greta Novak , the train to Oslo is late .","Thank you ."]}]}""", Encoding.UTF8, "application/json"));
        var tensors = JsonDocument.Parse(await infer.Content.ReadAsStringAsync()).RootElement.GetProperty("outputs").EnumerateArray()
            .ToDictionary(output => output.GetProperty("name").GetString()!, output => (Shape: output.GetProperty("shape").ToString(), Data: output.GetProperty("data").ToString()));
        Assert.Equal(("[2,2]", """["PERSON","PLACE","",""]"""), tensors["label"]);
        Assert.Equal("[5,32,-1,-1]", tensors["start"].Data);
        Assert.Equal("[16,36,-1,-1]", tensors["end"].Data);

        using var csv = new HttpRequestMessage(HttpMethod.Post, "/api/v1/endpoints/names:predict")
        {
            Content = new StringContent("text\n\"Dear Greta Novak , the train to Oslo is late .\"\nThank you .\n", Encoding.UTF8, "text/csv"), Headers = { { "Accept", "text/csv" } },
        };
        using var table = await client.SendAsync(csv);
        Assert.Equal("entities\nPERSON=Greta Novak; PLACE=Oslo\n\n", await table.Content.ReadAsStringAsync());

        // The file that a customer takes along is whole: what it finds, and how it is read.
        var file = Path.Combine(_terminal.Folder, "names.onnx");
        await RunAsync("models", "download", "names", "1", "--to", file);
        await RunAsync("models", "import", "moved", file);
        Assert.Equal(
            (await JsonAsync("predict", "names", "--text", "Does Orient Rail go to Kyoto ?")).Split("predictions")[1],
            (await JsonAsync("predict", "moved", "--text", "Does Orient Rail go to Kyoto ?")).Split("predictions")[1]);
    }

    [Fact]
    public async Task Sounds_become_a_model_in_production_that_tells_them_apart()
    {
        string Sample(string split) => Golden.InRepository($"samples/tones/{split}.zip");
        await RunAsync("datasets", "create", "tones", "--train", Sample("train"), "--test", Sample("test"));
        Assert.Contains("tones version 1: 60 samples.", _terminal.Out);
        await RunAsync("datasets", "show", "tones");
        Assert.Matches("type +audio", _terminal.Out);
        Assert.Contains("train 42, test 18", _terminal.Out);
        await RunAsync("datasets", "samples", "tones", "--label", "rise", "--limit", "1");
        Assert.Contains("8000 Hz, mono", _terminal.Out);
        var wav = Path.Combine(_terminal.Folder, "one.wav");
        var samples = JsonSerializer.Deserialize(await JsonAsync("datasets", "samples", "tones", "--label", "rise", "--split", "test", "--limit", "1"), AtollJson.Default.PageSampleResponse)!;
        await RunAsync("datasets", "sample", "tones", $"{samples.Items[0].Id}", "--to", wav);
        Assert.Equal("RIFF"u8.ToArray(), (await File.ReadAllBytesAsync(wav))[..4]);

        await RunAsync("train", "tones", "--set", "epochs=25", "--follow");
        Assert.Contains("succeeded", _terminal.Out);
        await RunAsync("models", "report", "tones");
        Assert.Contains("accuracy", _terminal.Out);
        await RunAsync("promote", "tones", "--gate", "accuracy>=0.8");
        Assert.Contains("tones version 1 is now in production", _terminal.Out);

        await RunAsync("predict", "tones", "--file", wav);
        Assert.Matches("one.wav.*rise", _terminal.Out);
        var answer = JsonSerializer.Deserialize(await JsonAsync("predict", "tones", "--file", wav), AtollJson.Default.PredictResponse)!;
        Assert.Equal("rise", answer.Predictions[0].Label);

        // Over the Open Inference Protocol the samples are the client's to decode.
        using var client = new HttpClient { BaseAddress = new Uri(server.Server.Address), DefaultRequestHeaders = { Authorization = new("Bearer", _key) } };
        var heard = Atoll.Platform.Audio.WavFile.Decode(await File.ReadAllBytesAsync(wav)).Samples;
        using var infer = await client.PostAsync("/v2/models/tones/infer", new StringContent(
            JsonSerializer.Serialize(new { inputs = new[] { new { name = "audio", datatype = "FP32", shape = new[] { 1, heard.Length }, data = heard } } }), Encoding.UTF8, "application/json"));
        Assert.Contains("[\"rise\"]", await infer.Content.ReadAsStringAsync());

        // The file that a customer takes along is whole: what it hears, and at which rate.
        var file = Path.Combine(_terminal.Folder, "tones.onnx");
        await RunAsync("models", "download", "tones", "1", "--to", file);
        await RunAsync("models", "import", "moved", file);
        Assert.Equal(
            (await JsonAsync("predict", "tones", "--file", wav)).Split("predictions")[1], (await JsonAsync("predict", "moved", "--file", wav)).Split("predictions")[1]);
    }

    [Fact]
    public async Task Mistakes_are_told_in_the_options_of_the_command()
    {
        await RunAsync("datasets", "create", "plain", WriteLeads(40));
        Assert.Contains("Train it:  atoll train plain --target Invoice --follow", _terminal.Out);
        await RunAsync(1, "datasets", "create", "leads", WriteLeads(40), "--label", "converted");
        Assert.Contains("Did you mean 'Converted'?", _terminal.Out);
        Assert.DoesNotContain("--skip-bad", _terminal.Error);
        foreach (var (line, expected) in ((string, string)[])
        [
            ("train plain", "--target is missing"),
            ("train plain --target converted", "--target names no column: 'converted'.\n  Did you mean 'Converted'?"),
            ("train plain --target Converted --minutes 0", "--minutes is 0"),
            ("train plain --target Converted --set fold=3", "Did you mean 'folds'?"),
        ])
        {
            await RunAsync(1, line.Split(' '));
            Assert.Contains(expected, _terminal.Error);
        }
    }

    [Fact]
    public async Task Ctrl_C_while_following_says_that_the_run_goes_on()
    {
        await RunAsync("datasets", "create", "leads", WriteLeads(4000), "--label", "Converted");
        await RunAsync("train", "leads", "--set", "trees=10000", "--output", "json");
        var run = JsonSerializer.Deserialize(_terminal.Out, AtollJson.Default.RunResponse)!;
        using var interrupt = new CancellationTokenSource();
        await using var output = new StringWriter();
        await using var error = new InterruptingWriter(interrupt);
        var code = await Atoll.Cli.CommandLine.RunAsync(["runs", "follow", run.Id], TestTerminal.ExtraCommands(), _terminal.Create(output, error), interrupt.Token);
        Assert.Equal(130, code);
        Assert.Contains($"Run {run.Id} goes on at the server.", error.ToString());
        Assert.Contains($"atoll runs follow {run.Id}", error.ToString());
        Assert.Contains($"atoll runs cancel {run.Id}", error.ToString());
        await RunAsync("runs", "cancel", run.Id);
    }

    /// <summary>Presses Ctrl-C at the first word of progress.</summary>
    private sealed class InterruptingWriter(CancellationTokenSource interrupt) : StringWriter
    {
        public override void Write(string? value)
        {
            base.Write(value);
            interrupt.Cancel();
        }
    }

    [Fact]
    public async Task Bad_rows_are_named_with_their_places_and_left_out_on_request()
    {
        var file = Path.Combine(_terminal.Folder, "bad.csv");
        await File.WriteAllTextAsync(file, await File.ReadAllTextAsync(WriteLeads(60)) + "12,web,yes,too,many\n");
        await RunAsync(1, "datasets", "create", "leads", file, "--label", "Converted");
        Assert.Contains("bad.csv, line 62", _terminal.Out);
        Assert.Contains("--skip-bad", _terminal.Error);
        await RunAsync(1, "datasets", "show", "leads");
        await RunAsync("datasets", "create", "leads", file, "--label", "Converted", "--skip-bad");
        Assert.Contains("60 samples, 1 bad ones left out", _terminal.Out);
        await RunAsync("datasets", "add", "leads", WriteLeads(80), "--label", "Converted");
        Assert.Contains("leads version 2: 80 samples.", _terminal.Out);
        await RunAsync("datasets", "versions", "leads");
        Assert.Contains("60", _terminal.Out);
    }

    [Fact]
    public async Task A_folder_of_label_folders_becomes_a_dataset_of_images()
    {
        var folder = Path.Combine(_terminal.Folder, "shoes");
        using (var zip = ZipFile.OpenRead(Golden.InRepository("samples/fashion-mnist/test.zip")))
        {
            foreach (var label in zip.Entries.GroupBy(entry => entry.FullName.Split('/')[0]).Where(label => label.Key is "Bag" or "Sneaker"))
            {
                Directory.CreateDirectory(Path.Combine(folder, label.Key));
                foreach (var entry in label.Take(10)) entry.ExtractToFile(Path.Combine(folder, entry.FullName));
            }
        }
        await RunAsync("datasets", "create", "shoes", folder);
        Assert.Contains("shoes version 1: 20 samples.", _terminal.Out);
        await RunAsync("datasets", "samples", "shoes", "--label", "Bag", "--limit", "1");
        Assert.Contains("28x28", _terminal.Out);
        await RunAsync("datasets", "sample", "shoes", "1", "--to", Path.Combine(_terminal.Folder, "one.png"));
        Assert.Equal("\x89PNG"u8.ToArray()[^3..], (await File.ReadAllBytesAsync(Path.Combine(_terminal.Folder, "one.png")))[1..4]);
    }

    private string WriteLeads(int rows)
    {
        // Who visits often buys, with exceptions, so that there is something to learn and something to get wrong.
        var text = new StringBuilder("Visits,Source,Converted,Invoice\n");
        for (var i = 0; i < rows; i++)
            text.Append(i % 20).Append(',').Append(i % 3 == 0 ? "web" : "shop").Append(',').Append(i % 20 > 9 != (i % 37 == 0) ? "yes,sent" : "no,none yet").Append('\n');
        var file = Path.Combine(_terminal.Folder, $"leads-{rows}.csv");
        File.WriteAllText(file, text.ToString());
        return file;
    }

    private async Task<string> JsonAsync(params string[] args)
    {
        await RunAsync([.. args, "--output", "json"]);
        return _terminal.Out;
    }

    private Task RunAsync(params string[] args) => RunAsync(0, args);

    private async Task RunAsync(int code, params string[] args) =>
        Assert.True(code == await _terminal.RunAsync(args), $"{string.Join(' ', args)}: {_terminal.Out} {_terminal.Error}");
}
