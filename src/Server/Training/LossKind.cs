namespace Atoll.Training;

/// <summary>What a linear model or a set of trees minimises.</summary>
internal enum LossKind
{
    /// <summary>Half the squared error of one output.</summary>
    Squared,

    /// <summary>Log loss of two labels; one output, the log odds of the second label.</summary>
    Logistic,

    /// <summary>Log loss of several labels; one output a label.</summary>
    Softmax,
}
