using System.Globalization;
using System.IO.Compression;
using System.Text;
using Atoll.Client;
using Atoll.Contracts;

namespace Atoll.Benchmarks;

/// <summary>
/// The accuracy of what a customer gets: the files are imported, the model is trained as a job and asked over HTTP, and the score is
/// computed here from its answers and from the files, by nothing that the server uses.
/// </summary>
internal static class ServedAccuracy
{
    // What one request may hold.
    private const int ImagesPerRequest = 50;
    private const double Tolerance = 1e-6;

    private static readonly Set[] Sets =
    [
        new("adult", DatasetTypes.Tabular, "income", MetricNames.Auc),
        new("telco-churn", DatasetTypes.Tabular, "Churn", MetricNames.Auc),
        new("bank-marketing", DatasetTypes.Tabular, "y", MetricNames.Auc, Ignore: "duration"),
        new("titanic", DatasetTypes.Tabular, "Survived", MetricNames.Auc),
        new("bike-sharing", DatasetTypes.Tabular, "cnt", MetricNames.R2, Ignore: "casual,registered,instant"),
        new("california-housing", DatasetTypes.Tabular, "median_house_value", MetricNames.Rmse),
        new("banking77", DatasetTypes.Text, "label", MetricNames.Accuracy),
        new("sentiment-sentences", DatasetTypes.Text, "label", MetricNames.Accuracy),
        new("fashion-mnist", DatasetTypes.Image, null, MetricNames.Accuracy),
        new("trashnet", DatasetTypes.Image, null, MetricNames.Accuracy),
    ];

    public static async Task<bool> RunAsync(BenchmarkArguments arguments)
    {
        var only = arguments["--only"]?.Split(':');
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            await using var server = await AtollServer.StartAsync([$"--Atoll:Data={folder}", "--Atoll:Urls=http://127.0.0.1:0", "--Logging:LogLevel:Default=Warning", "--Prediction:SamplesMax=100000"]);
            using var client = new AtollClient(new AtollClientOptions { Server = new Uri(server.Address), Credential = server.FirstKey! });
            Console.WriteLine("| dataset | metric | said by the version | from the answers over HTTP | predicted | algorithm |");
            Console.WriteLine("|---|---|---|---|---|---|");
            var same = true;
            foreach (var set in Sets.Where(set => only is null || (only[0] == set.Type && (only.Length == 1 || only[1].Split(',').Contains(set.Name)))))
                same &= await MeasureAsync(client, set, arguments);
            return same;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<bool> MeasureAsync(AtollClient client, Set set, BenchmarkArguments arguments)
    {
        var extension = set.Type == DatasetTypes.Image ? ".zip" : ".csv";
        string FileOf(string split) => Path.Combine(arguments["--data"]!, set.Name, split + extension);
        var import = await client.CreateDatasetAsync(
            new ImportRequest { Name = set.Name, Type = set.Type, Label = set.Label },
            [DatasetFile.FromFile(FileOf("train"), SplitNames.Train), DatasetFile.FromFile(FileOf("test"), SplitNames.Test)]);
        await foreach (var state in client.FollowImportAsync(import.Id)) import = state;
        if (import.State != ImportStates.Succeeded) throw new InvalidOperationException($"The import of {set.Name} {import.State}: {import.Error}");

        var parameters = arguments.All("--set").Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        if (set.Ignore is { } ignore) parameters.TryAdd("ignore", ignore);
        var run = await client.CreateRunAsync(new CreateRunRequest { Dataset = set.Name, Parameters = parameters });
        await foreach (var change in client.FollowRunAsync(run.Id)) run = change.Run;
        if (run.State != RunStates.Succeeded) throw new InvalidOperationException($"The training on {set.Name} {run.State}: {run.Error}");

        var version = await client.GetModelVersionAsync(set.Name, "latest");
        var (truth, answers) = set.Type == DatasetTypes.Image ? await AskImagesAsync(client, set, FileOf("test")) : await AskRowsAsync(client, set, FileOf("test"));
        var score = Score(set.Metric, truth, answers, version.Signature.Labels);
        var said = version.Metrics[set.Metric];
        var isSame = Math.Abs(score - said) <= Tolerance * Math.Max(1, Math.Abs(said));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {set.Name} | {set.Metric} | {said:0.######} | {score:0.######}{(isSame ? "" : " **differs**")} | {answers.Count:N0} | {version.Algorithm} |"));
        return isSame;
    }

    private static async Task<(List<string> Truth, IReadOnlyList<Contracts.Prediction> Answers)> AskRowsAsync(AtollClient client, Set set, string file)
    {
        // The file as it stands, the truth included: a column that the model does not read.
        var answer = await client.PredictCsvAsync(set.Name, await File.ReadAllBytesAsync(file), new PredictOptions(IgnoreUnknown: true));
        var rows = Rows(await File.ReadAllTextAsync(file)).ToList();
        var label = rows[0].IndexOf(set.Label!);
        return ([.. rows.Skip(1).Select(row => row[label])], answer.Predictions);
    }

    /// <summary>Rows of a well-formed csv file; not the server's reader, so that a fault of that is seen.</summary>
    private static IEnumerable<List<string>> Rows(string text)
    {
        var row = new List<string>();
        var cell = new StringBuilder();
        var isQuoted = false;
        foreach (var letter in text.ReplaceLineEndings("\n"))
        {
            if (letter == '"') isQuoted = !isQuoted;
            if (isQuoted || letter is not (',' or '\n'))
            {
                cell.Append(letter);
                continue;
            }
            var value = cell.ToString();
            row.Add(value.StartsWith('"') ? value[1..^1].Replace("\"\"", "\"", StringComparison.Ordinal) : value);
            cell.Clear();
            if (letter == ',') continue;
            yield return row;
            row = [];
        }
    }

    private static async Task<(List<string> Truth, IReadOnlyList<Contracts.Prediction> Answers)> AskImagesAsync(AtollClient client, Set set, string file)
    {
        using var zip = await ZipFile.OpenReadAsync(file);
        var entries = zip.Entries.Where(entry => entry.Length > 0).ToList();
        var truth = entries.ConvertAll(entry => entry.FullName.Split('/')[^2]);
        var answers = new List<Contracts.Prediction>();
        foreach (var part in entries.Chunk(ImagesPerRequest))
        {
            var images = new List<SampleFile>();
            foreach (var entry in part)
            {
                using var content = new MemoryStream();
                await using var stream = await entry.OpenAsync();
                await stream.CopyToAsync(content);
                images.Add(new SampleFile(entry.Name, content.ToArray()));
            }
            answers.AddRange((await client.PredictFilesAsync(set.Name, images)).Predictions);
        }
        return (truth, answers);
    }

    private static double Score(string metric, List<string> truth, IReadOnlyList<Contracts.Prediction> answers, IReadOnlyList<string>? labels)
    {
        if (metric == MetricNames.Accuracy) return truth.Zip(answers).Count(pair => pair.First == pair.Second.Label) / (double)truth.Count;
        if (metric == MetricNames.Auc)
        {
            // The chance that one of the second label is thought likelier to have it than one of the first; by ranks, ties halved.
            var scored = truth.Zip(answers, (label, answer) => (IsPositive: label == labels![1], P: answer.Labels!.Single(one => one.Label == labels[1]).Probability));
            double rank = 0, sum = 0, positives = 0;
            foreach (var tied in scored.GroupBy(pair => pair.P).OrderBy(group => group.Key))
            {
                var count = tied.Count();
                var positive = tied.Count(pair => pair.IsPositive);
                sum += positive * (rank + ((count + 1) / 2.0));
                positives += positive;
                rank += count;
            }
            return (sum - (positives * (positives + 1) / 2)) / (positives * (rank - positives));
        }
        var actual = truth.ConvertAll(text => double.Parse(text, CultureInfo.InvariantCulture));
        var squares = actual.Zip(answers, (value, answer) => Math.Pow(value - answer.Value!.Value, 2)).Sum();
        if (metric == MetricNames.Rmse) return Math.Sqrt(squares / actual.Count);
        var mean = actual.Average();
        return 1 - (squares / actual.Sum(value => Math.Pow(value - mean, 2)));
    }

    private sealed record Set(string Name, string Type, string? Label, string Metric, string? Ignore = null);
}
