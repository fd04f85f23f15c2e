using System.Text.Json.Nodes;

namespace Atoll.Training.Tabular;

/// <summary>How much each raw column contributes to a model, as shares that add up to 1.</summary>
internal static class Importance
{
    /// <summary>Writes the share of every column used into its entry.</summary>
    public static void Describe(TabularModel model, JsonObject preparation)
    {
        var shares = Shares(model);
        foreach (var entry in preparation["columns"]!.AsArray())
        {
            if (shares.TryGetValue(entry!["name"]!.GetValue<string>(), out var share)) entry["importance"] = Math.Round(share, 4);
        }
    }

    /// <summary>For trees the gain of splits on a column, for linear models the size of its weights on standardised features.</summary>
    public static Dictionary<string, double> Shares(TabularModel model)
    {
        var total = model.Plan.Inputs.ToDictionary(input => input.Name, _ => 0.0, StringComparer.Ordinal);
        foreach (var member in model.Members)
        {
            var own = new Dictionary<string, double>(StringComparer.Ordinal);
            if (member.Trees is { } trees)
            {
                foreach (var tree in trees.Model.Trees)
                {
                    for (var i = 0; i < tree.Feature.Length; i++) Add(own, trees.Features.Origins[tree.Feature[i]], tree.Gain[i]);
                }
            }
            else if (member.Linear is { } linear)
            {
                var outputs = linear.Model.Outputs;
                for (var column = 0; column < linear.Features.ColumnCount; column++)
                {
                    for (var k = 0; k < outputs; k++) Add(own, linear.Features.Origins[column], Math.Abs(linear.Model.Weights[(column * outputs) + k]));
                }
            }
            var sum = own.Values.Sum();
            if (sum <= 0) continue;
            foreach (var (column, value) in own) Add(total, column, member.Weight * value / sum);
        }
        return total;
    }

    private static void Add(Dictionary<string, double> sums, string key, double value) =>
        sums[key] = sums.GetValueOrDefault(key) + value;
}
