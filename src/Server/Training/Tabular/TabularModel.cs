using Atoll.Training.Linear;
using Atoll.Training.Trees;

namespace Atoll.Training.Tabular;

/// <summary>A linear model with the shape of its input.</summary>
internal sealed record LinearMember(LinearFeatures Features, LinearModel Model);

/// <summary>Boosted trees with the shape of their input.</summary>
internal sealed record TreeMember(TreeFeatures Features, BoostedTrees Model);

/// <summary>One model of a weighted mean; either linear or trees.</summary>
/// <param name="Name">Algorithm and settings, for people.</param>
/// <param name="Weight">Share of the mean; all shares add up to 1.</param>
/// <param name="Scale">How scores become values; null for classification.</param>
internal sealed record ModelMember(string Name, double Weight, LinearMember? Linear, TreeMember? Trees, ValueScale? Scale);

/// <summary>A trained tabular model as the trainer knows it; the exported graph must agree with it.</summary>
internal sealed record TabularModel(
    PreparationPlan Plan, TargetValues Target, IReadOnlyList<ModelMember> Members, PredictionInterval? Interval)
{
    /// <summary>Probabilities by row and label, or one value a row.</summary>
    public double[] Predict(IReadOnlyList<ColumnValues> columns, int rowCount)
    {
        var rows = Plan.Apply(columns, rowCount);
        var width = Target.Width;
        var outputs = new double[rowCount * width];
        var scores = new double[Target.Outputs];
        var row = new double[width];
        foreach (var member in Members)
        {
            var sparse = member.Linear?.Features.Shape(rows);
            var dense = member.Trees?.Features.Shape(rows);
            var values = new float[dense?.Length ?? 0];
            for (var i = 0; i < rowCount; i++)
            {
                if (member.Linear is { } linear)
                {
                    linear.Model.Predict(sparse!.Columns(i), sparse.Values(i), scores);
                }
                else
                {
                    for (var f = 0; f < values.Length; f++) values[f] = dense![f][i];
                    member.Trees!.Model.Predict(values, scores);
                }
                ToOutputs(Target.Loss, member.Scale, scores, row);
                for (var k = 0; k < width; k++) outputs[(i * width) + k] += member.Weight * row[k];
            }
        }
        return outputs;
    }

    public static void ToOutputs(LossKind loss, ValueScale? scale, ReadOnlySpan<double> scores, Span<double> outputs)
    {
        if (scale is null) Losses.ToOutputs(loss, scores, outputs);
        else outputs[0] = scale.ToValue(scores[0]);
    }
}
