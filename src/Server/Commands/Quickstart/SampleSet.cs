using Atoll.Contracts;

namespace Atoll.Commands.Quickstart;

/// <summary>One of the datasets that come with Atoll, and what the quickstart does with it.</summary>
/// <param name="Name">Name of its folder, and of the dataset and model made of it.</param>
/// <param name="Type">One of <see cref="DatasetTypes"/>.</param>
/// <param name="Question">What the model is to answer.</param>
/// <param name="Extension">Of its files <c>train</c> and <c>test</c>.</param>
/// <param name="Label">The column that holds the label, where there are columns.</param>
/// <param name="Gate">What the model must reach to go to production.</param>
/// <param name="Parameters">For the trainer, where its own choice would take more time than a newcomer has.</param>
internal sealed record SampleSet(
    string Name, string Type, string Question, string Extension, string? Label, GateRequest Gate, IReadOnlyDictionary<string, string>? Parameters = null)
{
    public static IReadOnlyList<SampleSet> All { get; } =
    [
        new("telco-churn", DatasetTypes.Tabular, "will this customer leave?", ".csv", "Churn", new GateRequest { Metric = MetricNames.Auc, AtLeast = 0.80 }),
        new("banking77", DatasetTypes.Text, "what does this customer of a bank want?", ".csv", "label", new GateRequest { Metric = MetricNames.Accuracy, AtLeast = 0.85 }),
        new("fashion-mnist", DatasetTypes.Image, "what piece of clothing is this?", ".zip", null, new GateRequest { Metric = MetricNames.Accuracy, AtLeast = 0.75 },
            new Dictionary<string, string> { ["epochs"] = "20" }),
    ];

    /// <summary>What to learn from.</summary>
    public string TrainFile(string samples) => Path.Combine(samples, Name, "train" + Extension);

    /// <summary>What to be measured by.</summary>
    public string TestFile(string samples) => Path.Combine(samples, Name, "test" + Extension);

    /// <summary>The folder with the samples, found beside the program or above it.</summary>
    public static string? FindFolder()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            var samples = Path.Combine(folder, "samples");
            if (All.All(set => File.Exists(set.TestFile(samples)))) return samples;
        }
        return null;
    }
}
